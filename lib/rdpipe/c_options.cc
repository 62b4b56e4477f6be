// Options of the C ABI: the tools' long names, and values as on the command line.
#include "rdpipe/c_options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "rdpipe/c_result.h"

namespace rdpipe {
namespace {

[[noreturn]] void reject(std::string_view name, std::string_view value, const std::string& expected) {
  throw Error(Status::kUsage, fmt::format("option {}", name), fmt::format("'{}' is not {}", value, expected));
}

// A plain decimal number, and what stands behind it.
double number_of(std::string_view name, std::string_view value, std::string_view& rest,
                 const std::string& expected) {
  double number = 0;
  const bool begins = !value.empty() && value[0] >= '0' && value[0] <= '9';
  const auto [end, error] =
      std::from_chars(value.data(), value.data() + value.size(), number, std::chars_format::fixed);
  if (!begins || error != std::errc()) reject(name, value, expected);
  rest = value.substr(static_cast<std::size_t>(end - value.data()));
  return number;
}

Nanoseconds span_of(std::string_view name, std::string_view value, double lowest, double highest,
                    double unit_ns, std::string_view or_else = "") {
  const std::string expected = fmt::format("{}a number from {:g} to {:g}", or_else, lowest, highest);
  std::string_view rest;
  const double number = number_of(name, value, rest, expected);
  if (!rest.empty() || number < lowest || number > highest) reject(name, value, expected);
  return Nanoseconds(static_cast<std::int64_t>(number * unit_ns));
}

Nanoseconds seconds(std::string_view name, std::string_view value, double lowest, double highest) {
  return span_of(name, value, lowest, highest, 1e9);
}

std::size_t size_of(std::string_view name, std::string_view value) {
  constexpr std::string_view kUnits = "kMGT";
  const std::string expected = "a size above 0 (a number, then k, M, G or T)";
  std::string_view rest;
  double size = number_of(name, value, rest, expected);
  if (rest.size() == 1) {
    const auto power = kUnits.find(rest[0] == 'K' ? 'k' : rest[0]);
    if (power == std::string_view::npos) reject(name, value, expected);
    size = std::ldexp(size, 10 * static_cast<int>(power + 1));
  }
  if (rest.size() > 1 || size < 1 || size >= std::ldexp(1.0, 63)) reject(name, value, expected);
  return static_cast<std::size_t>(size);
}

// Microseconds; nothing: as it pays.
std::optional<Nanoseconds> poll_of(std::string_view name, std::string_view value) {
  if (value == "auto") return {};
  return span_of(name, value, 0, 1e9, 1e3, "auto or ");
}

// One of `words`, by its place.
std::size_t choice_of(std::string_view name, std::string_view value,
                      std::initializer_list<std::string_view> words) {
  std::size_t place = 0;
  for (const std::string_view word : words) {
    if (word == value) return place;
    ++place;
  }
  reject(name, value, fmt::format("one of {}", fmt::join(words, ", ")));
}

struct Named {
  std::string_view name;
  void (*apply)(rdpipe_options&, std::string_view name, std::string_view value);
};

constexpr auto kOptions = std::to_array<Named>({
    {"fabric",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.stream.connection.fabric = std::array{FabricUse::kAuto, FabricUse::kRdma, FabricUse::kTcp}.at(
           choice_of(name, value, {"auto", "rdma", "tcp"}));
     }},
    {"device",
     [](rdpipe_options& to, std::string_view, std::string_view value) { to.stream.connection.device = value; }},
    {"gid-index",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       if (value.find('.') != std::string_view::npos) reject(name, value, "a whole number from 0 to 255");
       to.stream.connection.gid_index = static_cast<int>(span_of(name, value, 0, 255, 1).count());
     }},
    {"address",
     [](rdpipe_options& to, std::string_view, std::string_view value) { to.stream.connection.address = value; }},
    {"connect-timeout",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.stream.connection.connect_timeout = seconds(name, value, 0.001, 1e9);
     }},
    {"keep-alive",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.stream.connection.keep_alive = seconds(name, value, 1, 3600);
     }},
    {"ring",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.stream.connection.ring_size = size_of(name, value);
     }},
    {"slot",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.stream.connection.slot_size = size_of(name, value);
     }},
    {"busy-poll",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.stream.busy_poll = poll_of(name, value);
     }},
    {"max-payload",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.max_payload = size_of(name, value);
     }},
    {"receive-buffers",
     [](rdpipe_options& to, std::string_view name, std::string_view value) {
       to.receive_buffers = static_cast<std::size_t>(span_of(name, value, 32, 65536, 1).count());
     }},
    {"name", [](rdpipe_options& to, std::string_view, std::string_view value) { to.name = value; }},
});

// Options that take no value.
struct NamedSwitch {
  std::string_view name;
  void (*apply)(rdpipe_options&);
};

constexpr auto kSwitches = std::to_array<NamedSwitch>({
    {"ipv4", [](rdpipe_options& to) { to.stream.connection.ip = IpVersion::k4; }},
    {"ipv6", [](rdpipe_options& to) { to.stream.connection.ip = IpVersion::k6; }},
    {"encrypt", [](rdpipe_options& to) { to.stream.connection.encrypt = Switch::kOn; }},
    {"no-encrypt", [](rdpipe_options& to) { to.stream.connection.encrypt = Switch::kOff; }},
    {"no-checksum", [](rdpipe_options& to) { to.stream.connection.checksum = false; }},
});

void set(rdpipe_options& options, std::string_view name, std::string_view value) {
  for (const Named& option : kOptions) {
    if (option.name == name) return option.apply(options, name, value);
  }
  for (const NamedSwitch& option : kSwitches) {
    if (option.name != name) continue;
    if (!value.empty()) reject(name, value, "empty: it takes no value");
    return option.apply(options);
  }
  throw Error(Status::kUsage, fmt::format("option {}", name), "there is none of this name");
}

}  // namespace
}  // namespace rdpipe

using rdpipe::guarded;
using rdpipe::require_pointer;

rdpipe_options* rdpipe_options_new(void) {
  return guarded<rdpipe_options*>(nullptr, [] { return new rdpipe_options; });
}

int rdpipe_options_set(rdpipe_options* options, const char* name, const char* value) {
  return guarded(-1, [&] {
    require_pointer(options, "options");
    require_pointer(name, "an option's name");
    rdpipe::set(*options, name, value == nullptr ? "" : value);
    return 0;
  });
}

int rdpipe_options_on_notice(rdpipe_options* options, void (*notice)(const char* line, void* context),
                             void* context) {
  return guarded(-1, [&] {
    require_pointer(options, "options");
    options->stream.connection.notice = {};
    if (notice != nullptr) {
      options->stream.connection.notice = [=](const std::string& line) { notice(line.c_str(), context); };
    }
    return 0;
  });
}

void rdpipe_options_free(rdpipe_options* options) { delete options; }
