// rdping HOST: round trips of datagrams over RDMA; exit 0 means that at least one answer came.
#include <fmt/format.h>

#include <csignal>
#include <new>

#include <rdpipe/error.h>

#include "ping_work.h"
#include "report.h"

namespace {

using namespace rdpipe;  // NOLINT(google-build-using-namespace): a program's one file

int work(const tools::PingSettings& settings) {
  if (settings.work == tools::PingWork::kHelp) {
    tools::print_out(tools::ping_help());
    return static_cast<int>(Status::kOk);
  }
  if (settings.work == tools::PingWork::kVersion) {
    tools::print_out(fmt::format("rdping (rdpipe) {}", RDPIPE_VERSION));
    return static_cast<int>(Status::kOk);
  }
  std::signal(SIGPIPE, SIG_IGN);  // it then shows as an error of write()
  tools::Interrupts interrupts;
  const auto act = settings.work == tools::PingWork::kServe   ? tools::serve_pings
                   : settings.work == tools::PingWork::kFlood ? tools::flood
                                                              : tools::ping;
  const int status = act(settings, interrupts);
  tools::Interrupts::outlived();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return work(tools::parse_ping(argc, argv));
  } catch (const Error& error) {
    tools::print_line(fmt::format("rdping: error: {}", error.what()));
    if (!error.hint().empty()) tools::print_line(fmt::format("rdping: hint: {}", error.hint()));
    return static_cast<int>(error.status());
  } catch (const std::bad_alloc&) {
    tools::print_line("rdping: error: out of memory");
    return static_cast<int>(Status::kMemory);
  }
}
