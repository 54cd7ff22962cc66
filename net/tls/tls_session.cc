#include "net/tls/tls_session.h"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "env/check.h"

namespace quorate::net {

const BIO_METHOD* TlsSession::BioMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(
        BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bytes in memory");
    CHECK(made != nullptr);
    BIO_meth_set_read(made, ReadBio);
    BIO_meth_set_write(made, WriteBio);
    BIO_meth_set_ctrl(made, ControlBio);
    return made;
  }();
  return method;
}

int TlsSession::ReadBio(BIO* bio, char* bytes, int size) {
  auto* const session = static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (session->in_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t n = std::min(static_cast<size_t>(size), session->in_.size());
  std::memcpy(bytes, session->in_.data(), n);
  session->in_.remove_prefix(n);
  return static_cast<int>(n);
}

int TlsSession::WriteBio(BIO* bio, const char* bytes, int size) {
  auto* const session = static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  CHECK(session->out_ != nullptr);
  session->out_->append(bytes, static_cast<size_t>(size));
  return size;
}

long TlsSession::ControlBio(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, TlsRole role)
    : context_(std::move(context)), ssl_(context_->NewSession(role)) {
  CHECK(ssl_ != nullptr);
  BIO* const bio = BIO_new(BioMethod());
  CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsSession::Opened TlsSession::Open(std::string_view sealed, char* plain,
                                    std::string* out) {
  const size_t room = sealed.size() + kRecordBytes + kRecordOverhead;
  in_ = sealed;
  out_ = out;
  Opened opened;
  while (true) {
    const int n = SSL_read(ssl_.get(), plain + opened.plain_bytes,
                           static_cast<int>(room - opened.plain_bytes));
    if (n > 0) {
      opened.plain_bytes += static_cast<size_t>(n);
      // Most reads are one record. Another call would only say so.
      if (in_.empty() && SSL_has_pending(ssl_.get()) == 0) break;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), n);
    if (error == SSL_ERROR_WANT_READ) break;
    if (error == SSL_ERROR_ZERO_RETURN) {
      opened.ended = true;
      break;
    }
    opened.status = Failure();
    break;
  }
  out_ = nullptr;
  return opened;
}

absl::Status TlsSession::Seal(std::string_view plain, std::string* out) {
  out_ = out;
  const int n =
      SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
  out_ = nullptr;
  if (n == static_cast<int>(plain.size())) return absl::OkStatus();
  return Failure();
}

void TlsSession::End(std::string* out) {
  out_ = out;
  (void)SSL_shutdown(ssl_.get());
  ERR_clear_error();
  out_ = nullptr;
}

absl::Status TlsSession::Failure() {
  const long verified = SSL_get_verify_result(ssl_.get());
  std::string why = TakeOpenSslError();
  if (verified != X509_V_OK) {
    why += ": ";
    why += X509_verify_cert_error_string(verified);
  }
  return absl::UnavailableError(why);
}

env::StreamIdentity TlsSession::identity() const {
  const X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  return {.secured = true,
          .name = certificate == nullptr ? "" : NameOf(certificate)};
}

}  // namespace quorate::net
