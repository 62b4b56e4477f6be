// How a connection is made and a stream is moved. Plain values; every default is the one of the tools.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <rdpipe/compression.h>
#include <rdpipe/progress.h>

namespace rdpipe {

enum class FabricUse : unsigned char {
  kAuto,
  kRdma,
  kTcp
};  // auto: RDMA where there is a route, otherwise TCP
enum class IpVersion : unsigned char { kAny, k4, k6 };
enum class Switch : unsigned char { kAuto, kOn, kOff };

struct Options {
  FabricUse fabric = FabricUse::kAuto;
  IpVersion ip = IpVersion::kAny;
  std::string device;   // RDMA device; empty: by route
  int gid_index = -1;   // of the device's GID table, 0 to 255; -1: by route
  std::string address;  // local address; empty: any

  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(10);  // for connecting and authenticating
  std::chrono::nanoseconds timeout{0};                                  // without data progress; 0: no limit
  std::chrono::nanoseconds keep_alive =
      std::chrono::seconds(10);  // a dead host is noticed within; 1 s to 1 h

  // 0: 5 MiB over RDMA and 4 MiB over TCP, or four frames where that is more.
  std::size_t ring_size = 0;  // payload memory, pinned over RDMA, bytes; 8 KiB to 1 GiB
  // 0: 1 MiB over RDMA and 256 KiB over TCP, or a quarter of the ring where that is less.
  std::size_t slot_size = 0;  // payload of a frame, bytes; a multiple of 4 KiB up to 4 MiB and half the ring

  // Of Connection::send() and receive(): beyond the ring, unpinned, and used only while one end is busy; 0:
  // none.
  std::size_t buffer_size = 0;  // bytes; 8 KiB at least
  int start_write = 0;          // per cent: an empty buffer fills so far before anything leaves it
  int start_read = 100;         // per cent: a full one is emptied below this before anything is put into it
  // Bytes a second; 0: no limit. Of send() the input and the network, of receive() the network and the
  // output.
  std::uint64_t read_rate = 0;
  std::uint64_t write_rate = 0;
  std::uint64_t rate_limit = 0;  // the network's, of trees as well

  Switch encrypt = Switch::kAuto;  // AES-256-GCM on the data; auto: over TCP to another host
  bool checksum = true;            // the stream digest, at both ends
  Compression compression{};       // of what this end sends, where the other can undo it
  std::string hash;                // a conventional digest to compute as well ("sha256"); empty: none

  // Of a stream whose Input does not know its size: what is expected, for those who watch. The receiver is
  // told the sender's.
  std::optional<std::uint64_t> expected_size{};

  bool use_uring = true;  // io_uring, where the kernel allows it

  // Hears, once each, what a user may want to know: "using TCP: no RDMA device". Called on the connection's
  // thread.
  std::function<void(const std::string&)> notice;
  // Hears about five times a second how far a stream is, on the connection's thread.
  ProgressListener progress{};
  // While interrupt_fd (a signalfd, say; -1: none) is readable, whatever waits calls on_interrupt, which
  // takes what is there and usually throws: the other end is then told.
  int interrupt_fd = -1;
  std::function<void()> on_interrupt;
};

}  // namespace rdpipe
