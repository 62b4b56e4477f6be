// Bytes that are wiped when they are no longer needed: keys and what is made from them. Move-only, never
// logged.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace rdpipe {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::size_t size) : bytes_(size) {}
  explicit Secret(std::string_view text);
  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::span<std::byte> writable() { return bytes_; }
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::vector<std::byte> bytes_;
};

// Overwrites memory in a way the compiler does not remove.
void wipe(std::span<std::byte> bytes) noexcept;

// Fills `bytes` from the kernel's random source.
void fill_random(std::span<std::byte> bytes);

}  // namespace rdpipe
