#include "net/tls/tls_session.h"

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "net/tls/testing/made_certificates.h"

namespace quorate::net {
namespace {

constexpr char kNode1[] = "quorate://5/1";
constexpr char kNode2[] = "quorate://5/2";

// One end of a connection in memory.
struct MemoryEnd {
  MemoryEnd(std::shared_ptr<const TlsContext> context, TlsRole role)
      : session(std::move(context), role) {}

  // Takes the bytes, which may come in pieces.
  void Take(std::string_view sealed, size_t piece) {
    do {
      const std::string_view part = sealed.substr(0, piece);
      sealed.remove_prefix(part.size());
      std::vector<char> plain(part.size() + TlsSession::kRecordBytes +
                              TlsSession::kRecordOverhead);
      const TlsSession::Opened opened =
          session.Open(part, plain.data(), &to_send);
      received.append(plain.data(), opened.plain_bytes);
      ended = ended || opened.ended;
      status = opened.status;
    } while (status.ok() && !sealed.empty());
  }

  TlsSession session;
  std::string to_send;
  std::string received;
  bool ended = false;
  absl::Status status;
};

// Carries bytes until both ends are silent.
void Exchange(MemoryEnd& client, MemoryEnd& server, size_t piece = 1 << 20) {
  while (client.status.ok() && server.status.ok() &&
         !(client.to_send.empty() && server.to_send.empty())) {
    const std::string to_server = std::exchange(client.to_send, "");
    if (!to_server.empty()) server.Take(to_server, piece);
    const std::string to_client = std::exchange(server.to_send, "");
    if (!to_client.empty()) client.Take(to_client, piece);
  }
  // The last words of the end that failed.
  if (!client.status.ok() && server.status.ok()) {
    server.Take(client.to_send, piece);
  }
  if (client.status.ok() && !server.status.ok()) {
    client.Take(server.to_send, piece);
  }
}

class TlsSessionTest : public testing::Test {
 protected:
  void Begin(MemoryEnd& client, MemoryEnd& server, size_t piece = 1 << 20) {
    client.Take("", 1);
    Exchange(client, server, piece);
  }

  MadeCertificates ours_{"ours"};
  MadeCertificates others_{"others"};
};

TEST_F(TlsSessionTest, TwoNodes_EachKnowsTheOther) {
  MemoryEnd client(ours_.LoadNode(kNode1), TlsRole::kClient);
  MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kMutualServer);
  Begin(client, server);
  ASSERT_FALSE(client.session.handshaking());
  ASSERT_FALSE(server.session.handshaking());
  EXPECT_EQ(server.session.identity(),
            (env::StreamIdentity{.secured = true, .name = kNode1}));
  EXPECT_EQ(client.session.identity(),
            (env::StreamIdentity{.secured = true, .name = kNode2}));
}

TEST_F(TlsSessionTest, Bytes_InPiecesOfAnySize_Arrive) {
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += static_cast<char>(i % 251);
  for (const size_t piece : {size_t{1}, size_t{700}, size_t{100'000}}) {
    MemoryEnd client(ours_.LoadNode(kNode1), TlsRole::kClient);
    MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kServer);
    Begin(client, server, piece);
    ASSERT_TRUE(client.session.Seal(text, &client.to_send).ok());
    ASSERT_TRUE(server.session.Seal("hello", &server.to_send).ok());
    EXPECT_EQ(client.to_send.find(text.substr(0, 100)), std::string::npos);
    Exchange(client, server, piece);
    EXPECT_EQ(server.received, text);
    EXPECT_EQ(client.received, "hello");
  }
}

TEST_F(TlsSessionTest, ServerOfAnotherAuthority_IsRefused) {
  MemoryEnd client(ours_.LoadNode(kNode1), TlsRole::kClient);
  MemoryEnd server(others_.LoadNode(kNode2), TlsRole::kServer);
  Begin(client, server);
  EXPECT_NE(client.status.message().find("unable to get local issuer"),
            std::string::npos)
      << client.status;
  EXPECT_FALSE(server.status.ok());
}

TEST_F(TlsSessionTest, ClientOfAnotherAuthority_IsRefusedByNodes) {
  // The client trusts both authorities, so that the server alone can refuse.
  env::CertificateFiles files = others_.MakeNode(kNode1);
  files.ca = others_.Write("-both.crt", others_.authority().certificate +
                                            ours_.authority().certificate);
  MemoryEnd client(*TlsContext::Load(files, time(nullptr)), TlsRole::kClient);
  MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kMutualServer);
  Begin(client, server);
  EXPECT_NE(server.status.message().find("unable to get local issuer"),
            std::string::npos)
      << server.status;
  EXPECT_TRUE(server.session.handshaking());
}

TEST_F(TlsSessionTest, ClientWithoutCertificate_IsRefusedByNodesAlone) {
  const std::string ca =
      ours_.Write("-only-ca.crt", ours_.authority().certificate);
  for (const bool mutual : {false, true}) {
    MemoryEnd client(*TlsContext::LoadForClient(ca), TlsRole::kClient);
    MemoryEnd server(ours_.LoadNode(kNode2),
                     mutual ? TlsRole::kMutualServer : TlsRole::kServer);
    Begin(client, server);
    EXPECT_EQ(server.status.ok(), !mutual) << server.status;
    EXPECT_EQ(server.session.handshaking(), mutual);
  }
}

TEST_F(TlsSessionTest, ClientCertificateAsServer_IsRefused) {
  MemoryEnd client(ours_.LoadNode(kNode1), TlsRole::kClient);
  MemoryEnd server(ours_.Load({.common_name = "anna", .uri = kNode2}),
                   TlsRole::kServer);
  Begin(client, server);
  EXPECT_NE(client.status.message().find("purpose"), std::string::npos)
      << client.status;
}

TEST_F(TlsSessionTest, BytesThatAreNoTls_Fail) {
  MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kServer);
  server.Take("*1\r\n$4\r\nPING\r\n", 100);
  EXPECT_FALSE(server.status.ok());
}

TEST_F(TlsSessionTest, ChangedByte_Fails) {
  MemoryEnd client(ours_.LoadNode(kNode1), TlsRole::kClient);
  MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kServer);
  Begin(client, server);
  ASSERT_TRUE(client.session.Seal("hello", &client.to_send).ok());
  client.to_send.back() = static_cast<char>(client.to_send.back() ^ 1);
  server.Take(client.to_send, 100);
  EXPECT_FALSE(server.status.ok());
  EXPECT_EQ(server.received, "");
}

TEST_F(TlsSessionTest, End_LeavesTheOtherDirectionOpen) {
  MemoryEnd client(ours_.LoadNode(kNode1), TlsRole::kClient);
  MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kServer);
  Begin(client, server);
  client.session.End(&client.to_send);
  Exchange(client, server);
  EXPECT_TRUE(server.ended);
  ASSERT_TRUE(server.session.Seal("answer", &server.to_send).ok());
  Exchange(client, server);
  EXPECT_EQ(client.received, "answer");
  EXPECT_FALSE(client.ended);
}

// A client that OpenSSL itself drives, for what TlsSession never does.
class PlainOpenSsl {
 public:
  explicit PlainOpenSsl(int version_max)
      : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_.get(), version_max);
    ssl_.reset(SSL_new(context_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_connect_state(ssl_.get());
  }
  SSL* ssl() { return ssl_.get(); }
  // Runs `step` and carries bytes until nothing moves any more.
  void Run(MemoryEnd& server, const std::function<void()>& step) {
    bool moved = true;
    while (moved) {
      step();
      char bytes[4096];
      int n = 0;
      moved = false;
      while ((n = BIO_read(out_, bytes, sizeof(bytes))) > 0) {
        moved = true;
        server.Take({bytes, static_cast<size_t>(n)}, 4096);
      }
      const std::string answer = std::exchange(server.to_send, "");
      moved = moved || !answer.empty();
      BIO_write(in_, answer.data(), static_cast<int>(answer.size()));
    }
  }

 private:
  const OpenSsl<SSL_CTX> context_;
  OpenSsl<SSL> ssl_;
  BIO* in_;
  BIO* out_;
};

TEST_F(TlsSessionTest, Versions_From1_2On_Work) {
  for (const auto& [version, works] :
       {std::pair(TLS1_1_VERSION, false), {TLS1_2_VERSION, true}}) {
    MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kServer);
    PlainOpenSsl client(version);
    client.Run(server, [&] { SSL_do_handshake(client.ssl()); });
    EXPECT_EQ(!server.session.handshaking(), works) << version;
  }
}

TEST_F(TlsSessionTest, Renegotiation_IsRefused) {
  MemoryEnd server(ours_.LoadNode(kNode2), TlsRole::kServer);
  PlainOpenSsl client(TLS1_2_VERSION);
  client.Run(server, [&] { SSL_do_handshake(client.ssl()); });
  ASSERT_FALSE(server.session.handshaking());
  ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  int result = 1;
  client.Run(server, [&] { result = SSL_do_handshake(client.ssl()); });
  EXPECT_NE(result, 1);
  EXPECT_EQ(SSL_is_init_finished(client.ssl()), 0);
}

TEST_F(TlsSessionTest, Ticket_Resumes) {
  const auto context = ours_.LoadNode(kNode2);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    OpenSsl<SSL_SESSION> kept;
    for (const bool again : {false, true}) {
      MemoryEnd server(context, TlsRole::kServer);
      PlainOpenSsl client(version);
      if (again) {
        ASSERT_EQ(SSL_set_session(client.ssl(), kept.get()), 1);
      }
      client.Run(server, [&] {
        char byte = 0;
        (void)SSL_read(client.ssl(), &byte, 1);
      });
      EXPECT_EQ(SSL_session_reused(client.ssl()), again ? 1 : 0) << version;
      // Sessions of connections that were cut are not resumed.
      SSL_set_shutdown(client.ssl(), SSL_SENT_SHUTDOWN);
      kept.reset(SSL_get1_session(client.ssl()));
    }
  }
}

}  // namespace
}  // namespace quorate::net
