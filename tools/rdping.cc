// rdping HOST: round trips of datagrams over RDMA; exit 0 means that at least one answer came. With --check
// it tells what is in the way of RDMA; exit 0 means that nothing is.
#include <utility>

#include "check_report.h"
#include "ping_work.h"
#include "report.h"
#include "tool.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

int check(const tools::PingSettings& settings, tools::Interrupts& interrupts) {
  Options options = settings.connection;
  options.interrupt_fd = interrupts.fd();
  options.on_interrupt = [&interrupts] { interrupts.throw_if_any(); };
  const PeerAddress peer = settings.hosts.empty() ? PeerAddress{} : parse_peer(settings.hosts.front());
  const CheckReport report = check_rdma(peer.host, peer.port, options);
  tools::print_answer(settings.json ? tools::check_json(report) : tools::check_text(report));
  return static_cast<int>(report.status());
}

int ping(tools::CommandLine& line, tools::Interrupts& interrupts) {
  tools::PingSettings& settings = line.ping;
  settings.connection = std::move(line.settings.connection);
  if (settings.work != tools::PingWork::kCheck) settings.connection.fabric = FabricUse::kRdma;
  switch (settings.work) {
    case tools::PingWork::kServe:
      return tools::serve_pings(settings, interrupts);
    case tools::PingWork::kFlood:
      return tools::flood(settings, interrupts);
    case tools::PingWork::kCheck:
      return check(settings, interrupts);
    case tools::PingWork::kPing:
      break;
  }
  return tools::ping(settings, interrupts);
}

}  // namespace

int main(int argc, char** argv) { return tools::run_ping_tool(argc, argv, ping); }
