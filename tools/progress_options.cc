// Options about how far it is and what is said: rdsend's, rdrecv's and rdcp's.
#include <unistd.h>

#include <array>
#include <limits>

#include "options.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

void set_use(CommandLine& line, const std::string& value) {
  line.settings.progress.use = value.empty() ? ProgressUse::kAuto
                                             : choice_value<ProgressUse>("--progress", value,
                                                                         {{"auto", ProgressUse::kAuto},
                                                                          {"always", ProgressUse::kAlways},
                                                                          {"never", ProgressUse::kNever}});
}

constexpr auto kOptions = std::to_array<Option>({
    {.name = "progress",
     .argument = "auto|always|never",
     .tools = kStream,
     .help = "show how far it is (auto, the default: on a terminal)",
     .apply = set_use,
     .may_be_omitted = true},
    {.name = "progress",
     .argument = "auto|always|never",
     .tools = kCopy,
     .help = "show how far it is (auto: on a terminal; default: never)",
     .apply = set_use,
     .deny = [](CommandLine& line) { line.settings.progress.use = ProgressUse::kNever; },
     .may_be_omitted = true},
    {.name = "size",
     .argument = "SIZE",
     .tools = kStream,
     .help = "bytes to expect where nothing tells: for per cent and time left",
     .apply =
         [](CommandLine& line, const std::string& value) {
           const std::uint64_t size = size_value("--size", value);
           line.settings.connection.expected_size = size > 0 ? std::optional(size) : std::nullopt;
         }},
    {.name = "numeric",
     .tools = kAll,
     .help = "print per cent, or bytes, a line each interval, to stderr",
     .apply = [](CommandLine& line, const std::string&) { line.settings.progress.numeric = true; }},
    {.name = "json",
     .tools = kAll,
     .help = "print JSON objects in place of all that goes to stderr",
     .apply = [](CommandLine& line, const std::string&) { line.settings.progress.json_fd = STDERR_FILENO; }},
    {.name = "json-fd",
     .argument = "N",
     .tools = kAll,
     .help = "write JSON objects to descriptor N",
     .apply =
         [](CommandLine& line, const std::string& value) {
           line.settings.progress.json_fd =
               number_value("--json-fd", value, 0, std::numeric_limits<int>::max());
         }},
    {.name = "interval",
     .argument = "SECONDS",
     .tools = kAll,
     .help = "between numbers, or objects, 0.2 or more (default 1)",
     .apply =
         [](CommandLine& line, const std::string& value) {
           constexpr double kLeast = 0.2;
           line.settings.progress.interval = seconds_value("--interval", value, kLeast);
         }},
    {.letter = 'l',
     .name = "log-file",
     .argument = "FILE",
     .tools = kAll,
     .help = "append what is said to FILE, too, each line with its time",
     .apply = [](CommandLine& line, const std::string& value) { line.settings.progress.log_file = value; },
     .letter_tools = kStream},
});

}  // namespace

std::span<const Option> progress_options() { return kOptions; }

}  // namespace rdpipe::tools
