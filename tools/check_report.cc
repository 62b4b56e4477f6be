#include "check_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace rdpipe::tools {
namespace {

using Json = nlohmann::ordered_json;

const char* verdict_of(const Finding& finding) {
  switch (finding.health) {
    case Health::kOk:
      return "ok";
    case Health::kWarn:
      return "warn";
    case Health::kFail:
      break;
  }
  return "fail";
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json number_or_null(unsigned number) { return number == 0 ? Json() : Json(number); }

Json json_of(const Finding& finding) {
  return {{"check", finding.topic},
          {"subject", text_or_null(finding.subject)},
          {"verdict", verdict_of(finding)},
          {"text", finding.text},
          {"remedy", text_or_null(finding.remedy)}};
}

Json json_of(const RdmaGid& gid) {
  return {{"index", gid.index},
          {"gid", gid.gid},
          {"type", text_or_null(gid.type)},
          {"address", text_or_null(gid.address)},
          {"interface", text_or_null(gid.netdev)}};
}

Json json_of(const RdmaPort& port);
Json json_of(const RdmaDevice& device);

template <typename T>
Json json_of(const std::vector<T>& values) {
  Json array = Json::array();
  for (const T& value : values) array.push_back(json_of(value));
  return array;
}

Json json_of(const RdmaPort& port) {
  return {{"port", port.number},
          {"state", port.state},
          {"link_layer", port.link_layer},
          {"rate", text_or_null(port.rate)},
          {"mtu", number_or_null(port.mtu)},
          {"interface", text_or_null(port.netdev)},
          {"interface_mtu", number_or_null(port.netdev_mtu)},
          {"gids", json_of(port.gids)}};
}

Json json_of(const RdmaDevice& device) {
  return {{"device", device.name},
          {"driver", device.driver},
          {"node", text_or_null(device.node)},
          {"iwarp", device.iwarp},
          {"ports", json_of(device.ports)}};
}

Json json_of(TcpUse use) { return use == TcpUse::kUnknown ? Json() : Json(use == TcpUse::kYes); }

}  // namespace

std::string check_text(const CheckReport& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    const std::string subject = finding.subject.empty() ? "" : " " + finding.subject;
    text += fmt::format("{:<4}  {}{}: {}\n", verdict_of(finding), finding.topic, subject, finding.text);
    if (!finding.remedy.empty()) text += fmt::format("      remedy: {}\n", finding.remedy);
  }
  return text + report.summary + "\n";
}

std::string check_json(const CheckReport& report) {
  const Json object = {{"host", text_or_null(report.host)},
                       {"port", text_or_null(report.port)},
                       {"rdma", report.rdma()},
                       {"tcp", json_of(report.tcp)},
                       {"exit_status", static_cast<int>(report.status())},
                       {"summary", report.summary},
                       {"route_device", text_or_null(report.device)},
                       {"route_source", text_or_null(report.source)},
                       {"findings", json_of(report.findings)},
                       {"devices", json_of(report.devices)}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace rdpipe::tools
