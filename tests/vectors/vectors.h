// The test vectors: text files of blocks "name: value", for this implementation's tests and for any other's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "wire/vectors_path.h"

namespace rdpipe::vectors {

class Vector {
 public:
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  [[nodiscard]] const std::string& text(const std::string& name) const { return values_.at(name); }
  [[nodiscard]] std::uint64_t number(const std::string& name) const { return std::stoull(text(name)); }
  [[nodiscard]] std::vector<std::byte> bytes(const std::string& name) const {
    const std::string& digits = text(name);
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      bytes.push_back(static_cast<std::byte>(std::stoul(digits.substr(i, 2), nullptr, 16)));
    }
    return bytes;
  }
  void add_line(const std::string& line) {
    const auto colon = line.find(':');
    values_[line.substr(0, colon)] = line.size() > colon + 2 ? line.substr(colon + 2) : "";
  }
  [[nodiscard]] bool empty() const { return values_.empty(); }

 private:
  std::map<std::string, std::string> values_;
};

// All vectors of one file of tests/vectors; throws where there are none.
[[nodiscard]] inline std::vector<Vector> load(const std::string& file) {
  std::ifstream in(std::string(RDPIPE_VECTORS) + "/" + file);
  std::vector<Vector> all(1);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    if (!line.empty()) {
      all.back().add_line(line);
    } else if (!all.back().empty()) {
      all.emplace_back();
    }
  }
  if (all.back().empty()) all.pop_back();
  if (all.empty()) throw std::runtime_error("no vectors in " + file);
  return all;
}

}  // namespace rdpipe::vectors
