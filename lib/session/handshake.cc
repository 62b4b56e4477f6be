#include "session/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "session/tls.h"
#include "wire/integers.h"

namespace rdpipe {
namespace {

struct Hello {
  be32 magic = kProtocolMagic;
  be16 major = kProtocolMajor;
  be16 minor = kProtocolMinor;
};
struct Answer {
  Hello hello;
  be8 verdict;
  std::array<std::byte, kSaltSize> salt;
};
static_assert(sizeof(Hello) == 8 && sizeof(Answer) == 25);
constexpr std::uint8_t kGoOn = 0;
constexpr std::uint8_t kRefused = 1;
constexpr std::size_t kAnswerHead = offsetof(Answer, salt);  // what every version's answer begins with

// The front of a TLS record and, in a plain handshake record, of its first message.
struct Record {
  be8 type;
  be16 version;
  be16 length;  // bytes after it
};
struct ClientHello {
  Record record;
  be8 type;
  be8 length_high;
  be16 length_low;
};
static_assert(sizeof(Record) == 5 && sizeof(ClientHello) == 9);
constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHelloMessage = 1;
constexpr std::uint16_t kFirstRecordVersion = 0x0301;  // RFC 8446, 5.1: of a first ClientHello, perhaps
constexpr std::uint16_t kRecordVersion = 0x0303;       // of all others
constexpr std::size_t kMaxRecord = 4096;               // of a connector's until it is authenticated, bytes

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename T>
T load(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

bool has_magic(std::span<const std::byte> bytes) {
  const be32 magic = kProtocolMagic;
  const auto expected = bytes_of(magic);
  return std::ranges::equal(bytes.first(std::min(bytes.size(), expected.size())),
                            expected.first(std::min(bytes.size(), expected.size())));
}

}  // namespace

ListenerKeys::ListenerKeys(std::span<const std::byte, kSaltSize> salt, std::vector<NamedPsk> keys) {
  assert(!keys.empty());
  std::ranges::copy(salt, salt_.begin());
  std::vector<TlsKey> secrets;
  for (NamedPsk& key : keys) {
    secrets.push_back({key_id(key.psk, salt), std::move(key.psk)});
    names_.push_back(std::move(key.name));
  }
  tls_ = std::make_shared<const TlsContext>(TlsSide::kServer, std::move(secrets));
}

struct Handshake::State {
  enum class Stage : std::uint8_t { kHello, kPsk, kTls, kOver };

  explicit State(std::shared_ptr<const ListenerKeys> listener)
      : listens(listener != nullptr), keys(std::move(listener)) {}

  void receive(std::span<const std::byte> bytes);
  bool step();  // false: it needs more bytes, or is over
  bool take_hello();
  bool take_answer();
  bool take_records();
  [[nodiscard]] std::optional<std::size_t> next_record();
  void end(Verdict with) {
    verdict = with;
    stage = Stage::kOver;
    input = {};
    keys.reset();
  }
  void consume(std::size_t count) {
    input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(count));
  }
  void say(std::span<const std::byte> bytes) { output.insert(output.end(), bytes.begin(), bytes.end()); }

  const bool listens;
  std::shared_ptr<const ListenerKeys> keys;  // the listener's, until it is over
  std::string key_name;                      // ... of the one that was shown
  Stage stage = Stage::kHello;
  Verdict verdict = Verdict::kInProgress;
  Hello hello;    // as said or heard
  Answer answer;  // as said or heard
  std::uint16_t peer_version = 0;
  std::size_t received = 0;       // bytes, before authentication
  std::vector<std::byte> input;   // not yet understood
  std::vector<std::byte> output;  // of HELLO and answer; TLS keeps its own
  std::unique_ptr<TlsChannel> tls;
};

void Handshake::State::receive(std::span<const std::byte> bytes) {
  if (stage == Stage::kOver) {
    if (verdict == Verdict::kDone) tls->feed(bytes);
    return;
  }
  received += bytes.size();
  if (received > kMaxHandshakeInput) return end(Verdict::kNotRdpipe);
  input.insert(input.end(), bytes.begin(), bytes.end());
  while (step()) {
  }
}

bool Handshake::State::step() {
  switch (stage) {
    case Stage::kHello:
      return listens ? take_hello() : take_answer();
    case Stage::kTls:
      return take_records();
    case Stage::kPsk:
    case Stage::kOver:
      return false;
  }
  return false;
}

bool Handshake::State::take_hello() {
  if (!has_magic(input)) end(Verdict::kNotRdpipe);
  if (input.size() < sizeof(Hello)) return false;
  hello = load<Hello>(input);
  consume(sizeof(Hello));
  if (hello.major != kProtocolMajor) {
    answer.verdict = kRefused;
    say(bytes_of(answer));
    peer_version = hello.major;
    end(Verdict::kOtherVersion);
    return false;
  }
  answer.verdict = kGoOn;
  std::ranges::copy(keys->salt(), answer.salt.begin());
  say(bytes_of(answer));
  stage = Stage::kTls;
  return true;
}

bool Handshake::State::take_answer() {
  if (!has_magic(input)) end(Verdict::kNotRdpipe);
  if (input.size() < kAnswerHead) return false;
  std::memcpy(&answer, input.data(), std::min(input.size(), sizeof answer));
  if (answer.hello.major != kProtocolMajor) {
    peer_version = answer.hello.major;
    end(Verdict::kOtherVersion);
  } else if (answer.verdict != kGoOn) {
    end(Verdict::kNotRdpipe);  // our own version, refused
  }
  if (input.size() < sizeof answer) return false;
  consume(sizeof answer);
  verdict = Verdict::kNeedsPsk;
  stage = Stage::kPsk;
  return true;
}

// The size of the whole record in front of the input; nothing while it is incomplete. A stranger's plain
// handshake record must be exactly one ClientHello, so that no length it claims makes OpenSSL reserve memory.
std::optional<std::size_t> Handshake::State::next_record() {
  if (input.size() < sizeof(Record)) return {};
  const auto record = load<Record>(input);
  const std::size_t size = sizeof record + record.length;
  const bool known = record.type >= 20 && record.type <= 23 &&
                     (record.version == kRecordVersion || record.version == kFirstRecordVersion);
  if (!known || (listens && (size > kMaxRecord || (tls == nullptr && record.type != kHandshakeRecord)))) {
    end(Verdict::kNotRdpipe);
    return {};
  }
  if (input.size() < size) return {};
  if (!listens || record.type != kHandshakeRecord) return size;
  const auto message = size < sizeof(ClientHello) ? ClientHello{} : load<ClientHello>(input);
  const std::size_t length = std::size_t{message.length_high} << 16 | message.length_low;
  if (message.type != kClientHelloMessage || length + sizeof(ClientHello) != size) {
    end(Verdict::kNotRdpipe);
    return {};
  }
  return size;
}

bool Handshake::State::take_records() {
  const auto size = next_record();
  if (!size) return false;
  if (!tls) tls = std::make_unique<TlsChannel>(keys->tls());
  tls->feed(std::span(input).first(*size));
  consume(*size);
  switch (tls->advance()) {
    case TlsProgress::kInProgress:
      return true;
    case TlsProgress::kWrongKey:
      end(Verdict::kWrongKey);
      return false;
    case TlsProgress::kFailed:
      end(Verdict::kNotRdpipe);
      return false;
    case TlsProgress::kDone:
      break;
  }
  tls->feed(input);
  if (listens) key_name = keys->name_of(tls->key());
  end(Verdict::kDone);
  return false;
}

Handshake::Handshake(std::unique_ptr<State> state) : state_(std::move(state)) {}
Handshake::Handshake(Handshake&&) noexcept = default;
Handshake& Handshake::operator=(Handshake&&) noexcept = default;
Handshake::~Handshake() = default;

Handshake Handshake::connector() {
  Handshake handshake(std::make_unique<State>(nullptr));
  handshake.state_->say(bytes_of(handshake.state_->hello));
  return handshake;
}

Handshake Handshake::listener(std::shared_ptr<const ListenerKeys> keys) {
  return Handshake(std::make_unique<State>(std::move(keys)));
}

void Handshake::receive(std::span<const std::byte> bytes) { state_->receive(bytes); }

std::vector<std::byte> Handshake::take_output() {
  auto output = std::exchange(state_->output, {});
  if (!state_->tls) return output;
  const auto records = state_->tls->take_output();
  output.insert(output.end(), records.begin(), records.end());
  return output;
}

Verdict Handshake::verdict() const { return state_->verdict; }

bool Handshake::greeted() const { return state_->listens && state_->stage == State::Stage::kTls; }

std::span<const std::byte, kSaltSize> Handshake::salt() const { return state_->answer.salt; }

void Handshake::set_psk(Secret psk) {
  assert(state_->verdict == Verdict::kNeedsPsk);
  std::vector<TlsKey> keys(1);
  keys.front().id = key_id(psk, salt());
  keys.front().psk = std::move(psk);
  state_->tls =
      std::make_unique<TlsChannel>(std::make_shared<const TlsContext>(TlsSide::kClient, std::move(keys)));
  state_->verdict = Verdict::kInProgress;
  state_->stage = State::Stage::kTls;
  if (state_->tls->advance() != TlsProgress::kInProgress) state_->end(Verdict::kNotRdpipe);
  while (state_->step()) {
  }
}

const std::string& Handshake::key_name() const { return state_->key_name; }

std::uint16_t Handshake::peer_version() const { return state_->peer_version; }

std::array<std::byte, 32> Handshake::transcript() const {
  std::array<std::byte, sizeof(Hello) + sizeof(Answer)> said;
  std::ranges::copy(bytes_of(state_->hello), said.begin());
  std::ranges::copy(bytes_of(state_->answer), said.begin() + sizeof(Hello));
  std::array<std::byte, 32> hash;
  auto* out = reinterpret_cast<unsigned char*>(hash.data());
  if (EVP_Digest(said.data(), said.size(), out, nullptr, EVP_sha256(), nullptr) != 1) {
    throw Error(Status::kMemory, "SHA-256", "OpenSSL refused it");
  }
  return hash;
}

void Handshake::write(std::span<const std::byte> plain) {
  assert(state_->verdict == Verdict::kDone);
  state_->tls->write(plain);
}

std::vector<std::byte> Handshake::read() { return state_->tls->read(); }

bool Handshake::broken() const { return state_->tls && state_->tls->broken(); }

Secret Handshake::export_key(const std::string& label, std::size_t size) const {
  return state_->tls->export_key(label, size);
}

}  // namespace rdpipe
