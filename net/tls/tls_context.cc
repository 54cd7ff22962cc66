#include "net/tls/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "net/disk/posix_file.h"

namespace quorate::net {
namespace {

// Limit of one file.
constexpr size_t kFileBytesMax = 1 << 20;

absl::Status Wrong(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", path, "': ", std::string(why)));
}

absl::StatusOr<OpenSsl<EVP_PKEY>> ReadKey(const std::string& path) {
  absl::StatusOr<std::string> pem = ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  const OpenSsl<BIO> in(
      BIO_new_mem_buf(pem->data(), static_cast<int>(pem->size())));
  // Without this function OpenSSL would ask the terminal for a password.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  OpenSsl<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  OPENSSL_cleanse(pem->data(), pem->size());
  if (key == nullptr) {
    return Wrong(path, absl::StrCat("expected a private key in PEM, without a "
                                    "password: ",
                                    TakeOpenSslError()));
  }
  return key;
}

absl::StatusOr<OpenSsl<STACK_OF(X509)>> ReadCertificates(
    const std::string& path) {
  const absl::StatusOr<std::string> pem = ReadPemFile(path);
  if (!pem.ok()) return pem.status();
  OpenSsl<STACK_OF(X509)> certificates = ParseCertificates(*pem);
  if (sk_X509_num(certificates.get()) == 0) {
    return Wrong(path, "expected certificates in PEM");
  }
  return certificates;
}

// A context with what all roles have in common.
OpenSsl<SSL_CTX> NewContext(const SSL_METHOD* method) {
  OpenSsl<SSL_CTX> context(SSL_CTX_new(method));
  CHECK(context != nullptr);
  SSL_CTX* const c = context.get();
  CHECK_EQ(SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION), 1);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A connection that is idle keeps no buffers.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
  // Head and body of a record are one read of the bytes in memory.
  SSL_CTX_set_read_ahead(c, 1);
  // The fastest first, where both ends have the instructions for AES.
  CHECK_EQ(
      SSL_CTX_set_ciphersuites(c,
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                               "TLS_CHACHA20_POLY1305_SHA256"),
      1);
  CHECK_EQ(SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20"), 1);
  // Tickets need no memory of the server.
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  CHECK_EQ(SSL_CTX_set_num_tickets(c, 1), 1);
  constexpr unsigned char kTicketsOf[] = "quorate";
  CHECK_EQ(SSL_CTX_set_session_id_context(c, kTicketsOf, sizeof(kTicketsOf)),
           1);
  return context;
}

// Checks that the authorities signed the certificate and returns the end of the
// validity of the chain.
absl::StatusOr<int64_t> CheckChain(X509_STORE* authorities, X509* certificate,
                                   STACK_OF(X509) * others, int64_t now) {
  const OpenSsl<X509_STORE_CTX> check(X509_STORE_CTX_new());
  CHECK(check != nullptr);
  CHECK_EQ(X509_STORE_CTX_init(check.get(), authorities, certificate, others),
           1);
  X509_STORE_CTX_set_time(check.get(), 0, static_cast<time_t>(now));
  if (X509_verify_cert(check.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(check.get());
    const std::string why = X509_verify_cert_error_string(error);
    TakeOpenSslError();
    return absl::InvalidArgumentError(why);
  }
  int64_t not_after = std::numeric_limits<int64_t>::max();
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(check.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    not_after = std::min(
        not_after, SecondsOf(X509_get0_notAfter(sk_X509_value(chain, i))));
  }
  return not_after;
}

}  // namespace

absl::StatusOr<std::string> ReadPemFile(const std::string& path) {
  const OwnedFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return FileError(errno, "opening", path);
  std::string text(kFileBytesMax, '\0');
  const int64_t size = ReadFully(file.get(), text.data(), text.size(), 0);
  if (size < 0) return FileError(static_cast<int>(-size), "reading", path);
  text.resize(static_cast<size_t>(size));
  return text;
}

absl::Status TlsContext::Trust(const std::string& ca) {
  const auto trusted = ReadCertificates(ca);
  if (!trusted.ok()) return trusted.status();
  authorities_.reset(X509_STORE_new());
  authority_names_.reset(sk_X509_NAME_new_null());
  CHECK(authorities_ != nullptr && authority_names_ != nullptr);
  for (int i = 0; i < sk_X509_num(trusted->get()); ++i) {
    X509* const one = sk_X509_value(trusted->get(), i);
    CHECK_EQ(X509_STORE_add_cert(authorities_.get(), one), 1);
    CHECK(sk_X509_NAME_push(authority_names_.get(),
                            X509_NAME_dup(X509_get_subject_name(one))) > 0);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Load(
    const env::CertificateFiles& files, int64_t now) {
  const std::shared_ptr<TlsContext> loaded(new TlsContext());
  if (absl::Status trusted = loaded->Trust(files.ca); !trusted.ok()) {
    return trusted;
  }
  const auto certificates = ReadCertificates(files.certificate);
  if (!certificates.ok()) return certificates.status();
  const auto key = ReadKey(files.key);
  if (!key.ok()) return key.status();
  const OpenSsl<X509> certificate(sk_X509_shift(certificates->get()));
  if (X509_check_private_key(certificate.get(), key->get()) != 1) {
    TakeOpenSslError();
    return Wrong(files.key, absl::StrCat("it is not the key of '",
                                         files.certificate, "'"));
  }
  const absl::StatusOr<int64_t> not_after = CheckChain(
      loaded->authorities_.get(), certificate.get(), certificates->get(), now);
  if (!not_after.ok()) {
    return Wrong(
        files.certificate,
        absl::StrCat("not accepted with the authorities of '", files.ca,
                     "': ", std::string(not_after.status().message())));
  }
  loaded->not_after_ = *not_after;
  for (const TlsRole role :
       {TlsRole::kServer, TlsRole::kMutualServer, TlsRole::kClient}) {
    const bool client = role == TlsRole::kClient;
    OpenSsl<SSL_CTX>& context = loaded->contexts_[static_cast<size_t>(role)];
    context = NewContext(client ? TLS_client_method() : TLS_server_method());
    if (SSL_CTX_use_cert_and_key(context.get(), certificate.get(), key->get(),
                                 certificates->get(), /*override=*/1) != 1) {
      return Wrong(files.certificate, TakeOpenSslError());
    }
    SSL_CTX_set1_cert_store(context.get(), loaded->authorities_.get());
    if (role == TlsRole::kServer) continue;
    SSL_CTX_set_verify(context.get(),
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       nullptr);
    if (client) continue;
    SSL_CTX_set_client_CA_list(context.get(),
                               SSL_dup_CA_list(loaded->authority_names_.get()));
  }
  return loaded;
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::LoadForClient(
    const std::string& ca) {
  const std::shared_ptr<TlsContext> loaded(new TlsContext());
  if (absl::Status trusted = loaded->Trust(ca); !trusted.ok()) return trusted;
  OpenSsl<SSL_CTX>& context =
      loaded->contexts_[static_cast<size_t>(TlsRole::kClient)];
  context = NewContext(TLS_client_method());
  SSL_CTX_set1_cert_store(context.get(), loaded->authorities_.get());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return loaded;
}

OpenSsl<SSL> TlsContext::NewSession(TlsRole role) const {
  SSL_CTX* const context = contexts_[static_cast<size_t>(role)].get();
  CHECK(context != nullptr);
  OpenSsl<SSL> session(SSL_new(context));
  if (session == nullptr) return session;
  if (role == TlsRole::kClient) {
    SSL_set_connect_state(session.get());
  } else {
    SSL_set_accept_state(session.get());
  }
  return session;
}

}  // namespace quorate::net
