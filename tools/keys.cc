#include "keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <rdpipe/connection.h>
#include <string.h>  // NOLINT: explicit_bzero is not in <cstring>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "open_descriptor.h"

namespace rdpipe::tools {
namespace {

constexpr std::size_t kRandomKeyDigits = 64;  // of a key that is used as it is

[[noreturn]] void reject_key(const std::string& attempt, int error) {
  throw Error(Status::kAuthentication, attempt, ::strerror(error));
}

std::string reading_from(int fd) { return fmt::format("read the key from descriptor {}", fd); }

// The first line that `fd` gives.
KeyText read_line(int fd, const std::string& attempt, Interrupts& interrupts) {
  KeyText line;
  for (char next = 0; !line.is_full();) {
    std::array either = {pollfd{fd, POLLIN, 0}, pollfd{interrupts.fd(), POLLIN, 0}};
    ::poll(either.data(), either.size(), -1);
    interrupts.throw_if_any();
    const auto count = ::read(fd, &next, 1);
    if (count == -1 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count == -1) reject_key(attempt, errno);
    if (count == 0 || next == '\n') break;
    line.append(next);
  }
  if (line.text().empty()) throw Error(Status::kAuthentication, attempt, "no key there");
  return line;
}

// A terminal that does not show what is typed, for as long as this lives.
class SilentTerminal {
 public:
  SilentTerminal() : fd_(::open("/dev/tty", O_RDWR | O_CLOEXEC)) {
    if (fd_ == -1 || ::tcgetattr(fd_, &before_) == -1) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    usable_ = ::tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  ~SilentTerminal() {
    if (usable_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
    if (fd_ != -1) ::close(fd_);
  }
  [[nodiscard]] bool usable() const { return usable_; }
  KeyText ask(std::string_view prompt, Interrupts& interrupts) {
    write_out(prompt);
    KeyText line = read_line(fd_, "read the key from the terminal", interrupts);
    write_out("\n");
    return line;
  }

 private:
  void write_out(std::string_view text) const {
    if (::write(fd_, text.data(), text.size()) == -1) reject_key("ask for the key", errno);
  }

  int fd_;
  termios before_{};
  bool usable_ = false;
};

KeyText read_key_file(const std::string& path, Interrupts& interrupts) {
  const std::string attempt = fmt::format("read the key file '{}'", path);
  // A FIFO's open() would wait for a writer, deaf to signals.
  const OpenDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.get() == -1) reject_key(attempt, errno);
  require_private(file.get(), path, attempt);
  return read_line(file.get(), attempt, interrupts);
}

[[noreturn]] void find_no_key(const std::string& cause) {
  throw Error(Status::kAuthentication, "find the key", cause,
              "set RDPIPE_KEY, or use --key-file or --key-fd");
}

KeyText from_environment() {
  char* key = std::getenv("RDPIPE_KEY");
  if (key == nullptr || *key == '\0') find_no_key("RDPIPE_KEY is not set");
  KeyText text{key};
  ::explicit_bzero(key, text.text().size());  // /proc/PID/environ shows this memory
  ::unsetenv("RDPIPE_KEY");
  return text;
}

KeyText from_environment_or_terminal(Interrupts& interrupts) {
  if (is_key_in_environment()) return from_environment();
  SilentTerminal terminal;
  if (terminal.usable()) return terminal.ask("Key: ", interrupts);
  find_no_key("RDPIPE_KEY is not set and there is no terminal to ask on");
}

void hide_descriptor(int fd) {
  if (fd > STDERR_FILENO) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return;
  }
  const OpenDescriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ::dup2(nothing.get(), fd);
}

std::vector<int> open_descriptors() {
  std::vector<int> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    all.push_back(std::stoi(entry.path().filename()));
  }
  return all;
}

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

// What is no file is as private as whoever gives it: a FIFO, say, or a process's standard output.
void require_private(int fd, const std::string& path, const std::string& attempt) {
  struct stat status {};
  if (::fstat(fd, &status) == -1) reject_key(attempt, errno);
  if (!S_ISREG(status.st_mode)) return;
  const char* who_may = (status.st_mode & S_IROTH) != 0   ? "others may read"
                        : (status.st_mode & S_IWOTH) != 0 ? "others may write"
                        : (status.st_mode & S_IWGRP) != 0 ? "its group may write"
                                                          : nullptr;
  if (who_may == nullptr) return;
  throw Error(Status::kAuthentication, attempt,
              fmt::format("permissions {:04o}: {} it", status.st_mode & 07777, who_may),
              fmt::format("chmod 600 '{}'", path));
}

std::string doubt_about(std::string_view key) {
  if (key.ends_with('\r')) {
    return "the key ends in a carriage return, which counts as a part of it: was its file written elsewhere?";
  }
  const bool miscounted = key.size() == kRandomKeyDigits - 1 || key.size() == kRandomKeyDigits + 1;
  if (miscounted && std::all_of(key.begin(), key.end(), is_hex_digit)) {
    return fmt::format("the key has {} hexadecimal digits, not {}: it is taken for a passphrase", key.size(),
                       kRandomKeyDigits);
  }
  if (is_short_key(key)) {
    return "a key below 12 characters can be guessed by who records the handshake; see --generate-key";
  }
  return {};
}

KeyText::KeyText(std::string_view text) {
  text_.reserve(std::max(text.size(), kLongestKey + 1));
  text_ = text;
}

KeyText::~KeyText() { ::explicit_bzero(text_.data(), text_.size()); }

void require_open(const KeyChoice& choice) {
  if (choice.fd && ::fcntl(*choice.fd, F_GETFD) == -1) reject_key(reading_from(*choice.fd), errno);
}

void hide_from_commands(const std::optional<int>& key_fd, const std::optional<std::string>& key_file) {
  if (key_fd) hide_descriptor(*key_fd);
  struct stat key {
  }, other{};
  if (!key_file || ::stat(key_file->c_str(), &key) == -1 || S_ISCHR(key.st_mode)) return;
  for (const int fd : open_descriptors()) {
    if (::fstat(fd, &other) == 0 && other.st_dev == key.st_dev && other.st_ino == key.st_ino) {
      hide_descriptor(fd);
    }
  }
}

bool is_key_in_environment() {
  const char* key = std::getenv("RDPIPE_KEY");
  return key != nullptr && *key != '\0';
}

KeyText read_key(KeyChoice choice, Interrupts& interrupts) {
  if (choice.file) return read_key_file(*choice.file, interrupts);
  if (choice.fd) return read_line(*choice.fd, reading_from(*choice.fd), interrupts);
  if (!choice.argument) return from_environment();
  if (choice.argument->text() == "-") return from_environment_or_terminal(interrupts);
  if (choice.argument->text().empty()) throw Error(Status::kAuthentication, "read the key", "KEY is empty");
  return std::move(*choice.argument);
}

}  // namespace rdpipe::tools
