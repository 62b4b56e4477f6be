#include "serve.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "key_list.h"
#include "keys.h"
#include "open_descriptor.h"
#include "readiness.h"
#include "serve_log.h"
#include "serve_signals.h"
#include "status_file.h"

namespace rdpipe::tools {
namespace {

constexpr auto kTimeout = std::chrono::seconds(300);

[[noreturn]] void reject(const std::string& attempt, const std::string& cause, const std::string& hint = {}) {
  throw Error(Status::kUsage, attempt, cause, hint);
}

bool is_loopback(const std::string& literal) {
  in_addr v4{};
  if (::inet_pton(AF_INET, literal.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, literal.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void require_keys(const ServeSettings& serving, const std::string& address) {
  if (serving.key_file.empty() && !serving.insecure_no_key) {
    reject("option --serve", "it needs --key-file",
           "a line of that file is NAME KEY; --generate-key makes one");
  }
  if (!serving.insecure_no_key) return;
  if (!serving.key_file.empty()) reject("option --insecure-no-key", "--key-file is there as well");
  if (!is_loopback(address)) {
    reject("option --insecure-no-key", "only for this host itself",
           "add --address 127.0.0.1, or use --key-file");
  }
}

void require_directory(const std::string& path) {
  std::error_code error;
  const bool is_directory = std::filesystem::is_directory(path, error);
  if (is_directory) return;
  if (!error) error = std::make_error_code(std::errc::not_a_directory);
  throw Error(Status::kEndpoint, fmt::format("serve '{}'", path), error.message());
}

// What is in the directory clients read, and replace.
void require_outside(const std::string& key_file, const std::string& directory) {
  std::error_code error;
  const auto file = std::filesystem::canonical(key_file, error);
  const auto served = std::filesystem::canonical(directory, error);
  if (error || key_file.empty()) return;
  const bool is_inside =
      std::mismatch(served.begin(), served.end(), file.begin(), file.end()).first == served.end();
  if (is_inside) reject(fmt::format("key file '{}'", key_file), "it lies in the directory to serve");
}

void require_sense(const CommandLine& line) {
  const CopySettings& copy = line.copy;
  if (copy.operands.size() != 1) reject("option --serve", "it takes one operand: the directory to serve");
  if (copy.launch.lowest_port != copy.launch.highest_port) {
    reject("option --port", "a server listens on one port");
  }
  if (copy.serving.read_only && copy.serving.write_only) {
    reject("option --read-only", "with --write-only nothing is left");
  }
  require_keys(copy.serving, line.settings.connection.address);
  require_directory(copy.operands.front());
  require_outside(copy.serving.key_file, copy.operands.front());
}

// Where it is, however it was named.
std::string full_path(const std::string& path) {
  std::error_code error;
  const auto full = std::filesystem::canonical(path, error);
  return error ? path : full.string();
}

// The directory in which a file is replaced by another of its name.
std::string parent_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

// Of many clients each has its connection, its directories and its ring. Where it may not be, the limits are
// what they are.
void raise_limits() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &files));
  }
  constexpr rlimit kUnlimited{RLIM_INFINITY, RLIM_INFINITY};
  static_cast<void>(::setrlimit(RLIMIT_MEMLOCK, &kUnlimited));
}

class Service {
 public:
  explicit Service(const CommandLine& line);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() = default;

  int run();

 private:
  [[nodiscard]] ServeOptions serve_options();
  [[nodiscard]] Options options();
  [[nodiscard]] std::vector<ServedKey> keys() const;
  void note(const std::string& text) const;
  void doubt_reload() const;
  void heed_signals();
  void stop();

  const CommandLine& line_;
  const ServeSettings& serving_;
  const ServeLog log_;
  ServeSignals signals_{};
  Readiness readiness_{};
  std::optional<StatusFile> status_file_{};
  std::string summary_{};   // what it serves, and where
  bool reloading_ = false;  // the supervisor waits for the end of it
  bool stopping_ = false;
  std::optional<Server> server_{};
};

Service::Service(const CommandLine& line)
    : line_(line), serving_(line.copy.serving), log_(serving_.log_format) {
  if (!serving_.status_file.empty()) {
    status_file_.emplace(serving_.status_file, [this](const std::string& text) { log_.notice(text); });
  }
}

ServeOptions Service::serve_options() {
  ServeOptions options;
  options.directory = line_.copy.operands.front();
  options.port = std::to_string(serving_.port.value_or(kServerPort));
  options.keys = [this] { return keys(); };
  options.may_read = !serving_.write_only;
  options.may_write = !serving_.read_only;
  options.max_clients = serving_.max_clients;
  options.max_clients_per_key = serving_.max_clients_per_key;
  options.memory = serving_.memory;
  options.grace = serving_.grace;
  options.user = serving_.user;
  if (!serving_.key_file.empty()) options.readable = {parent_of(serving_.key_file)};
  if (!serving_.status_file.empty()) options.writable = {parent_of(serving_.status_file)};
  options.keep_owners = serving_.keep_owners;
  options.make_devices = serving_.make_devices;
  options.keep_special_bits = serving_.keep_special_bits;
  options.understand = served_copy;
  options.transferred = [this](const ServedTransfer& transfer) {
    if (transfer.status != 0 || !line_.settings.quiet) log_.transfer(transfer);
  };
  options.notice = [this](const std::string& text) { note(text); };
  options.trouble = [this](const std::string& text) { log_.notice(text); };
  options.reloaded = [this] {
    if (std::exchange(reloading_, false)) readiness_.ready(summary_);
  };
  options.changed = [this](const ServerStatus& status) {
    if (status_file_) status_file_->write(status);
  };
  return options;
}

Options Service::options() {
  Options options = line_.settings.connection;
  if (options.timeout == options.timeout.zero()) options.timeout = kTimeout;
  options.interrupt_fd = signals_.fd();
  options.on_interrupt = [this] { heed_signals(); };
  return options;
}

std::vector<ServedKey> Service::keys() const {
  if (serving_.insecure_no_key) {
    ServedKey anybody;
    anybody.name = "-";
    anybody.key = kNoKey;
    return {std::move(anybody)};
  }
  return read_key_list(serving_.key_file, [this](const std::string& doubt) { note("warning: " + doubt); });
}

void Service::note(const std::string& text) const {
  if (!line_.settings.quiet) log_.notice(text);
}

// Whoever this has become, behind its walls: better said now than at the first SIGHUP.
void Service::doubt_reload() const {
  if (serving_.key_file.empty()) return;
  const OpenDescriptor file(::open(serving_.key_file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.get() != -1) return;
  log_.notice(fmt::format("SIGHUP will not read the keys again: open '{}': {}", serving_.key_file,
                          ::strerror(errno)));
}

void Service::heed_signals() {
  const ServeSignals::Taken taken = signals_.take();
  if (taken.stop) return stop();
  if (!server_) return;  // it has yet to begin
  if (taken.report) log_.notice(status_text(server_->status()));
  if (taken.reload && !stopping_) {
    reloading_ = true;
    readiness_.reloading();
    server_->reload();
  }
}

void Service::stop() {
  if (!server_) throw Error(Status::kSignal, "", "interrupted before it served");
  server_->stop();
  if (std::exchange(stopping_, true)) return;
  reloading_ = false;
  readiness_.stopping();
  const std::size_t clients = server_->status().clients;
  if (clients == 0) return;
  note(fmt::format("stopping: {} client{} may end within {} s; another signal cuts them", clients,
                   clients == 1 ? "" : "s",
                   std::chrono::duration_cast<std::chrono::seconds>(serving_.grace).count()));
}

int Service::run() {
  server_.emplace(serve_options(), options());
  summary_ = fmt::format("serving '{}' on port {}: {}", full_path(line_.copy.operands.front()),
                         server_->port(), server_->describe());
  note(summary_);
  doubt_reload();
  if (status_file_) status_file_->write(server_->status());
  readiness_.ready(summary_);
  const bool whole = server_->run();
  if (status_file_) status_file_->write(server_->status());
  return static_cast<int>(whole ? Status::kOk : Status::kSignal);
}

}  // namespace

int serve(const CommandLine& line) {
  require_sense(line);
  raise_limits();
  Service service(line);
  return service.run();
}

}  // namespace rdpipe::tools
