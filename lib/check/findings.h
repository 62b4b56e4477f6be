// What a check of this host finds: values, made by the functions of this floor and printed by the tools. Any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ground/exception.h"

namespace rdpipe {

enum class Health : std::uint8_t {
  kOk,
  kWarn,  // RDMA works, but not as well as it could, or on another port
  kFail,  // RDMA does not work
};

struct Finding {
  std::string topic;    // what was looked at: "port", "memlock", ...
  std::string subject;  // which one: "rxe0/1"; empty where there is but one
  Health health = Health::kOk;
  std::string text;             // one line
  std::string remedy{};         // one line; empty where there is nothing to do
  Status status = Status::kOk;  // of kFail: what a transfer over RDMA would exit with

  bool operator==(const Finding&) const = default;
};

[[nodiscard]] inline Finding good(std::string topic, std::string subject, std::string text) {
  return {std::move(topic), std::move(subject), Health::kOk, std::move(text)};
}
[[nodiscard]] inline Finding doubtful(std::string topic, std::string subject, std::string text,
                                      std::string remedy) {
  return {std::move(topic), std::move(subject), Health::kWarn, std::move(text), std::move(remedy)};
}
[[nodiscard]] inline Finding bad(Status status, std::string topic, std::string subject, std::string text,
                                 std::string remedy) {
  return {std::move(topic), std::move(subject), Health::kFail, std::move(text), std::move(remedy), status};
}

// Where the kernel shows what it has. Others than these are for tests.
struct KernelRoots {
  std::string sys = "/sys";
  std::string proc = "/proc";
  std::string dev = "/dev";
};

using Findings = std::vector<Finding>;

}  // namespace rdpipe
