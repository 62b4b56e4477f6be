// A tree that looks like /sys, /proc and /dev, with what a test puts there.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "check/findings.h"

namespace rdpipe {

class KernelTree {
 public:
  KernelTree() {
    static_cast<void>(::mkdtemp(path_.data()));
    roots_ = {path_ + "/sys", path_ + "/proc", path_ + "/dev"};
  }
  KernelTree(const KernelTree&) = delete;
  KernelTree& operator=(const KernelTree&) = delete;
  ~KernelTree() { std::filesystem::remove_all(path_); }

  void put(const std::string& name, const std::string& text = {}) const {
    const std::filesystem::path path = path_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  void link(const std::string& name, const std::string& to) const {
    const std::filesystem::path path = path_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::filesystem::create_symlink(to, path);
  }
  void remove(const std::string& name) const { std::filesystem::remove_all(path_ + "/" + name); }
  [[nodiscard]] const KernelRoots& roots() const { return roots_; }

  // A device of rxe as Linux 6.1 shows it, on v0 with 10.77.0.1, with its nodes.
  void put_rxe() const {
    const std::string device = "sys/class/infiniband/rxe0/";
    put(device + "node_type", "1: CA");
    put(device + "parent", "v0");
    put(device + "ports/1/state", "4: ACTIVE");
    put(device + "ports/1/rate", "10 Gb/sec (1X FDR10)");
    put(device + "ports/1/link_layer", "Ethernet");
    put_gid("rxe0", 0, "fe80:0000:0000:0000:34f3:6cff:feeb:d0ba", "RoCE v2", "v0");
    put_gid("rxe0", 1, "0000:0000:0000:0000:0000:ffff:0a4d:0001", "RoCE v2", "v0");
    put(device + "ports/1/gids/2", "0000:0000:0000:0000:0000:0000:0000:0000");
    put("sys/class/net/v0/mtu", "9000");
    put_nodes("rxe0", "uverbs0");
  }
  void put_gid(const std::string& device, int index, const std::string& gid, const std::string& type,
               const std::string& netdev) const {
    const std::string port = "sys/class/infiniband/" + device + "/ports/1/";
    put(port + "gids/" + std::to_string(index), gid);
    put(port + "gid_attrs/types/" + std::to_string(index), type);
    put(port + "gid_attrs/ndevs/" + std::to_string(index), netdev);
  }
  void put_nodes(const std::string& device, const std::string& node) const {
    put("sys/class/infiniband_verbs/abi_version", "6");
    put("sys/class/infiniband_verbs/" + node + "/ibdev", device);
    put("sys/class/misc/rdma_cm/dev", "10:124");
    put("dev/infiniband/" + node);
    put("dev/infiniband/rdma_cm");
  }

 private:
  std::string path_ = std::filesystem::temp_directory_path() / "rdpipe-kernel-XXXXXX";
  KernelRoots roots_;
};

// The one finding about `topic`, or an empty one.
[[nodiscard]] inline Finding about(const Findings& findings, const std::string& topic,
                                   const std::string& subject = {}) {
  for (const Finding& finding : findings) {
    if (finding.topic == topic && (subject.empty() || finding.subject == subject)) return finding;
  }
  return {};
}

[[nodiscard]] inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace rdpipe
