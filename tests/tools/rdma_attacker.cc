// Somebody on the path, or at the other end, who does not play by the rules of rdpipe-protocol(7) over RDMA:
// what `attacker` is over TCP, with its words and its output, but that it takes one connection.
//
//   rdma-attacker relay HOST PORT DEED [FILE]  relay to HOST PORT, and do DEED to the frames that pass
//   rdma-attacker listen HOST DEED [FILE]      answer a connector in the manner of DEED
//   rdma-attacker knock HOST PORT FILE         send FILE's control frames to a listener until it hangs up
//   rdma-attacker hello HOST PORT MAJOR        greet a listener in another version, and print its answer
//   rdma-attacker strangers HOST PORT COUNT silent|garbage|half [tcp]
//                                              connect COUNT times, and stay
#include "tools/rdma_attacker.h"

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ground/error.h"
#include "ground/secret.h"
#include "session/control_stream.h"
#include "transport/dial.h"
#include "wire/integers.h"
#include "wire/message.h"

namespace rdpipe {
namespace {

const Deadline kEnd = Deadline::in(std::chrono::minutes(10));  // of everything

}  // namespace

void print(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void sleep(Loop& loop) {
  if (kEnd.passed()) throw Error(Status::kTimeout, "attack", "nobody has ended it");
  loop.wait(kEnd);
}

std::unique_ptr<Link> dial(Loop& loop, const std::string& host, const std::string& port, bool over_tcp) {
  const auto dial = over_tcp ? dial_tcp(loop, {host, port}, {}) : dial_rdma(loop, {host, port}, {});
  for (;; sleep(loop)) {
    if (auto link = dial->poll()) return link;
  }
}

std::unique_ptr<Link> accept_one(Loop& loop, const std::string& host) {
  FabricOptions options;
  options.address = host;
  const auto acceptor = listen_rdma(loop, "0", options);
  print(fmt::format("listening on port {}", acceptor->port()));
  for (;; sleep(loop)) {
    if (auto link = acceptor->poll()) return link;
  }
}

namespace {

// Hears the other end until it is gone. A lost link is an end, too.
void outlast(Loop& loop, Link& link, const std::function<void(const Bytes&)>& hear) try {
  for (;; sleep(loop)) {
    while (const auto event = link.poll()) {
      if (std::holds_alternative<PeerClosed>(*event)) return;
      if (const auto* control = std::get_if<Control>(&*event)) hear(control->bytes);
    }
  }
} catch (const Error& error) {
  if (error.status() != Status::kNetwork) throw;
}

// --- A listener that is none -----------------------------------------------------------------------------

Bytes bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

struct Hello {
  be32 magic = kProtocolMagic;
  be16 major = kProtocolMajor, minor = 0;
};

Bytes hello(std::uint16_t major, std::optional<std::uint8_t> verdict = {}) {
  const Hello greeting{.major = major};
  Bytes out(sizeof greeting);
  std::memcpy(out.data(), &greeting, sizeof greeting);
  if (!verdict) return out;
  out.push_back(static_cast<std::byte>(*verdict));
  out.resize(out.size() + 16);  // the salt
  fill_random(std::span(out).last(16));
  return out;
}

Bytes answer_of(const std::string& deed) {
  Bytes out;
  if (deed == "text") return bytes_of("HTTP/1.0 400 Bad Request\r\n\r\n");
  if (deed == "zeros") return Bytes(4096);
  if (deed == "version") return hello(kProtocolMajor + 1, 1);
  if (deed == "refusal") return hello(kProtocolMajor, 1);
  if (deed == "noise" || deed == "framed-noise") {
    for (int i = deed == "noise" ? 0 : 200; i < (deed == "noise" ? 4096 : 250); ++i) {
      out.push_back(static_cast<std::byte>(i & 0xFF));
    }
  } else if (deed == "endless") {
    out = hello(kProtocolMajor, 0);
    for (int i = 0; i < 100; ++i) {
      const Bytes record = bytes_of("\x16\x03\x03\xff\xff" + std::string(1000, '\0'));
      out.insert(out.end(), record.begin(), record.end());
    }
  } else if (deed != "silence" && deed != "hang-up") {
    throw Error(Status::kUsage, "listen", "no such deed");
  }
  return out;
}

// TLS as a server that does not know the key and shows a certificate. Prints what the connector says inside.
void prove_with_certificate(Loop& loop, Link& link, const std::string& path) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                  SSL_CTX_free);
  if (SSL_CTX_use_certificate_file(context.get(), path.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), path.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw Error(Status::kEndpoint, "read the certificate", path);
  }
  const auto take_first = [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                             unsigned, void*) {
    *out = in + 1;
    *size = *in;
    return SSL_TLSEXT_ERR_OK;
  };
  SSL_CTX_set_alpn_select_cb(context.get(), take_first, nullptr);
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), SSL_free);
  BIO *const heard = BIO_new(BIO_s_mem()), *const said = BIO_new(BIO_s_mem());
  SSL_set_bio(tls.get(), heard, said);
  SSL_set_accept_state(tls.get());
  bool greeted = false;
  outlast(loop, link, [&](const Bytes& bytes) {
    if (!std::exchange(greeted, true)) return post_stream(link, hello(kProtocolMajor, 0));
    std::array<std::byte, kMaxControlPayload> piece;
    BIO_write(heard, bytes.data(), static_cast<int>(bytes.size()));
    const int told = SSL_read(tls.get(), piece.data(), piece.size());
    if (told > 0) print(fmt::format("heard {} bytes", told));
    for (int size = 0; (size = BIO_read(said, piece.data(), piece.size())) > 0;) {
      link.post_control(std::span(piece).first(static_cast<std::size_t>(size)));
    }
  });
}

void listen(const std::string& host, const std::string& deed, const std::string& path) {
  Loop loop;
  const auto link = accept_one(loop, host);
  if (deed == "certificate") {
    prove_with_certificate(loop, *link, path);
  } else {
    post_stream(*link, answer_of(deed));
    if (deed == "hang-up") link->close();
    outlast(loop, *link, [](const Bytes&) {});
  }
  print("the connector is gone");
}

// --- Connectors ------------------------------------------------------------------------------------------

void knock(const std::string& host, const std::string& port, const std::string& path) {
  Loop loop;
  const auto link = dial(loop, host, port);
  std::ifstream record(path, std::ios::binary);
  be32 length;
  while (record.read(reinterpret_cast<char*>(&length), sizeof length)) {
    Bytes frame(length);
    record.read(reinterpret_cast<char*>(frame.data()), length);
    if (frame.at(0) != static_cast<std::byte>(FrameKind::kControl))
      continue;  // nobody grants a receive for data
    link->post_control(std::span(frame).subspan(kFrameHeaderSize));
  }
  outlast(loop, *link, [](const Bytes&) {});
}

void greet(const std::string& host, const std::string& port, const std::string& major) {
  Loop loop;
  const auto link = dial(loop, host, port);
  post_stream(*link, hello(static_cast<std::uint16_t>(std::stoi(major))));
  outlast(loop, *link, [](const Bytes& bytes) {
    Hello answer;
    if (bytes.size() <= sizeof answer) throw Error(Status::kProtocol, "greet", "the answer is short");
    std::memcpy(&answer, bytes.data(), sizeof answer);
    print(fmt::format("magic {:x}, version {}, verdict {}", std::uint32_t{answer.magic},
                      std::uint16_t{answer.major}, static_cast<int>(bytes[sizeof answer])));
  });
}

Bytes garbage() {
  Bytes bytes(kMaxControlPayload);
  fill_random(bytes);
  bytes[0] = std::byte{0};  // no HELLO by chance
  return bytes;
}

// A good HELLO, and the most of a ClientHello that is none yet.
Bytes half_a_greeting() {
  Bytes bytes = hello(kProtocolMajor);
  for (const int byte : {22, 3, 1, 0x0F, 0xF0, 1, 0, 0x0F, 0xEC})
    bytes.push_back(static_cast<std::byte>(byte));
  bytes.resize(bytes.size() + 4000);
  return bytes;
}

// Whom the listener has turned away does not notice: its end of the connection stays as it is.
void be_strangers(const std::string& host, const std::string& port, int count, const std::string& kind,
                  bool over_tcp) {
  Loop loop;
  std::deque<std::unique_ptr<Link>> links;
  for (int i = 0; i < count; ++i) {
    links.push_back(dial(loop, host, port, over_tcp));
    if (kind == "garbage") post_stream(*links.back(), garbage());
    if (kind == "half") post_stream(*links.back(), half_a_greeting());
    while (links.back()->poll()) {
    }
  }
  print(fmt::format("{} strangers are there", count));
  for (;;) sleep(loop);
}

void attack(std::vector<std::string> words) {
  words.resize(6);
  if (words[0] == "relay") {
    relay(words[1], words[2], words[3], words[4]);
  } else if (words[0] == "listen") {
    listen(words[1], words[2], words[3]);
  } else if (words[0] == "knock") {
    knock(words[1], words[2], words[3]);
  } else if (words[0] == "hello") {
    greet(words[1], words[2], words[3]);
  } else if (words[0] == "strangers") {
    be_strangers(words[1], words[2], std::stoi(words[3]), words[4], words[5] == "tcp");
  } else {
    throw Error(Status::kUsage, "attack", "no such command");
  }
}

}  // namespace
}  // namespace rdpipe

int main(int argc, char** argv) try {
  rdpipe::attack({argv + 1, argv + argc});
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "rdma-attacker: {}\n", error.what());
  return 1;
}
