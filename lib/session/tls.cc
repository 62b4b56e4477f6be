#include "session/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <string_view>
#include <utility>

#include "ground/error.h"
#include "session/key.h"

namespace rdpipe {
namespace {

constexpr std::string_view kAlpn = "\x08rdpipe/3";                // length, name: as TLS wants it
constexpr std::array<unsigned char, 2> kCipherId = {0x13, 0x02};  // TLS_AES_256_GCM_SHA384
constexpr std::size_t kMaxRecordOut = 4096;                       // bytes; keeps OpenSSL's write buffer small

const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

[[noreturn]] void throw_openssl(const char* attempt) {
  std::array<char, 160> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  throw Error(Status::kMemory, attempt, text.data());
}

void require(long result, const char* attempt) {
  if (result <= 0) throw_openssl(attempt);
}

const std::vector<TlsKey>& keys_of(const SSL* ssl) {
  return static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->keys();
}

// A session that carries nothing but the key: how OpenSSL takes an external PSK.
SSL_SESSION* make_psk_session(SSL* ssl, const Secret& secret) {
  const auto psk = secret.bytes();
  SSL_SESSION* session = SSL_SESSION_new();
  const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, kCipherId.data());
  if (session == nullptr || cipher == nullptr ||
      SSL_SESSION_set1_master_key(session, reinterpret_cast<const unsigned char*>(psk.data()), psk.size()) !=
          1 ||
      SSL_SESSION_set_cipher(session, cipher) != 1 ||
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) != 1) {
    SSL_SESSION_free(session);
    return nullptr;
  }
  return session;
}

int use_psk(SSL* ssl, const EVP_MD* /*hash*/, const unsigned char** identity, std::size_t* length,
            SSL_SESSION** session) {
  const TlsKey& key = keys_of(ssl).front();
  *identity = reinterpret_cast<const unsigned char*>(key.id.data());
  *length = key.id.size();
  *session = make_psk_session(ssl, key.psk);
  return *session != nullptr ? 1 : 0;
}

// An identity that is not ours finds no session; without certificates the handshake then fails. Only the
// first one is looked at: a ClientHello is one try of one key.
int find_psk(SSL* ssl, const unsigned char* identity, std::size_t length, SSL_SESSION** session) {
  *session = nullptr;
  const auto said = std::as_bytes(std::span(identity, length));
  const auto& keys = keys_of(ssl);
  const auto known =
      std::ranges::find_if(keys, [&](const TlsKey& key) { return std::ranges::equal(key.id, said); });
  auto& shown = *static_cast<TlsShown*>(SSL_get_app_data(ssl));
  const bool is_another = std::exchange(shown.was_asked, true);
  shown.is_unknown = is_another || known == keys.end();
  if (shown.is_unknown) return 1;
  shown.key = static_cast<std::size_t>(known - keys.begin());
  *session = make_psk_session(ssl, known->psk);
  return *session != nullptr ? 1 : 0;
}

int select_alpn(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                unsigned in_length, void* /*context*/) {
  unsigned char* selected = nullptr;
  const int result = SSL_select_next_proto(&selected, out_length, raw(kAlpn), kAlpn.size(), in, in_length);
  *out = selected;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool has_our_alpn(const SSL* ssl) {
  const unsigned char* selected = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &selected, &length);
  return std::equal(selected, selected + length, kAlpn.begin() + 1, kAlpn.end());
}

// Whether a failed handshake failed for the key: a binder that does not verify, or the alert that says so.
// OpenSSL answers a bad binder with illegal_parameter, RFC 8446 asks for decrypt_error; a server that knows
// no such key may say unknown_psk_identity or handshake_failure.
bool is_about_the_key(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
  switch (ERR_GET_REASON(error)) {
    case SSL_R_BINDER_DOES_NOT_VERIFY:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY:
      return true;
    default:
      return false;
  }
}

void configure(SSL_CTX* context, TlsSide side) {
  constexpr auto kAttempt = "set up TLS";
  require(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION), kAttempt);
  require(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION), kAttempt);
  require(SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384"), kAttempt);
  require(SSL_CTX_set1_groups_list(context, "X25519:P-256"), kAttempt);
  require(SSL_CTX_set_num_tickets(context, 0), kAttempt);
  require(SSL_CTX_set_max_early_data(context, 0), kAttempt);
  require(SSL_CTX_set_max_send_fragment(context, kMaxRecordOut), kAttempt);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (side == TlsSide::kClient) {
    // A server that offers a certificate in place of the key must fail: nothing is trusted here.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_psk_use_session_callback(context, use_psk);
    if (SSL_CTX_set_alpn_protos(context, raw(kAlpn), kAlpn.size()) != 0) throw_openssl(kAttempt);
  } else {
    SSL_CTX_set_psk_find_session_callback(context, find_psk);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, nullptr);
  }
}

}  // namespace

TlsContext::TlsContext(TlsSide side, std::vector<TlsKey> keys)
    : side_(side),
      keys_(std::move(keys)),
      context_(SSL_CTX_new(side == TlsSide::kClient ? TLS_client_method() : TLS_server_method())) {
  if (context_ == nullptr) throw_openssl("set up TLS");
  try {
    configure(context_, side);
  } catch (...) {
    SSL_CTX_free(context_);
    throw;
  }
  SSL_CTX_set_app_data(context_, this);
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsChannel::TlsChannel(std::shared_ptr<const TlsContext> context)
    : context_(std::move(context)), ssl_(SSL_new(context_->get())) {
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  if (ssl_ == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    SSL_free(ssl_);
    throw_openssl("start TLS");
  }
  SSL_set_bio(ssl_, in, out);
  SSL_set_app_data(ssl_, &shown_);
  if (context_->side() == TlsSide::kClient) {
    SSL_set_connect_state(ssl_);
  } else {
    SSL_set_accept_state(ssl_);
  }
}

TlsChannel::~TlsChannel() { SSL_free(ssl_); }

void TlsChannel::feed(std::span<const std::byte> records) {
  if (records.empty() || broken_) return;
  const int written = BIO_write(SSL_get_rbio(ssl_), records.data(), static_cast<int>(records.size()));
  if (written != static_cast<int>(records.size())) throw_openssl("buffer TLS records");
}

std::vector<std::byte> TlsChannel::take_output() {
  BIO* out = SSL_get_wbio(ssl_);
  std::vector<std::byte> records(BIO_ctrl_pending(out));
  if (!records.empty()) BIO_read(out, records.data(), static_cast<int>(records.size()));
  return records;
}

TlsProgress TlsChannel::advance() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    // Only the key authenticates: a handshake that did without it is none.
    if (SSL_session_reused(ssl_) != 1 || !has_our_alpn(ssl_)) return TlsProgress::kFailed;
    forget_psk();
    return TlsProgress::kDone;
  }
  if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return TlsProgress::kInProgress;
  broken_ = true;
  const bool wrong_key = shown_.is_unknown || is_about_the_key(ERR_peek_error());
  ERR_clear_error();
  return wrong_key ? TlsProgress::kWrongKey : TlsProgress::kFailed;
}

// OpenSSL has its own copy, in the session that carried it; after the handshake only tickets would need it.
void TlsChannel::forget_psk() {
  constexpr std::array<unsigned char, kPskSize> kNothing{};
  require(SSL_SESSION_set1_master_key(SSL_get_session(ssl_), kNothing.data(), kNothing.size()),
          "forget the key");
  context_.reset();
}

void TlsChannel::write(std::span<const std::byte> plain) {
  if (broken_ || plain.empty()) return;
  ERR_clear_error();
  std::size_t written = 0;
  if (SSL_write_ex(ssl_, plain.data(), plain.size(), &written) != 1) throw_openssl("write to TLS");
}

std::vector<std::byte> TlsChannel::read() {
  std::vector<std::byte> plain;
  while (!broken_) {
    std::array<std::byte, 4096> piece;
    std::size_t count = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, piece.data(), piece.size(), &count);
    if (result == 1) {
      plain.insert(plain.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
      continue;
    }
    broken_ = SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ;
    ERR_clear_error();
    break;
  }
  return plain;
}

Secret TlsChannel::export_key(const std::string& label, std::size_t size) const {
  Secret key(size);
  auto* out = reinterpret_cast<unsigned char*>(key.writable().data());
  require(SSL_export_keying_material(ssl_, out, size, label.data(), label.size(), nullptr, 0, 0),
          "derive a session key");
  return key;
}

}  // namespace rdpipe
