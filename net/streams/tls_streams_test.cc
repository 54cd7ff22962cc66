#include "net/streams/tls_streams.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/buffer.h"
#include "net/disk/posix_file.h"
#include "net/streams/stream_poller.h"
#include "net/testing/testing.h"
#include "net/tls/testing/made_certificates.h"
#include "net/tls/tls_session.h"

namespace quorate::net {
namespace {

using env::TlsMode;

constexpr char kName1[] = "quorate://5/1";

// One end of a stream and the events it received.
class TlsEnd final : public env::Connection::Observer {
 public:
  explicit TlsEnd(std::unique_ptr<env::Connection> c)
      : connection(std::move(c)) {
    connection->SetObserver(this);
  }
  void OnBytes(std::string_view bytes) override {
    received.append(bytes);
    if (echo) Write(bytes);
  }
  void OnEnd() override { ended = true; }
  void OnClosed(absl::Status reason) override { closed = reason; }
  void OnDrained() override { ++drained; }
  void Write(std::string_view bytes) { connection->Write(Buffer::Copy(bytes)); }

  std::unique_ptr<env::Connection> connection;
  std::string received;
  bool echo = false;
  bool ended = false;
  int drained = 0;
  std::optional<absl::Status> closed;
};

// A client of another program, on a socket of its own.
class RawClient {
 public:
  explicit RawClient(const std::string& address)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(
        std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)),
              0);
  }
  void Send(std::string_view bytes) {
    EXPECT_EQ(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void BeginTls(std::shared_ptr<const TlsContext> context) {
    tls_ = std::make_unique<TlsSession>(std::move(context), TlsRole::kClient);
    Step("");
  }
  // Takes what has arrived, and answers. False: nothing has.
  bool GoOn() {
    char bytes[4096];
    const ssize_t size = recv(fd_.get(), bytes, sizeof(bytes), MSG_DONTWAIT);
    if (size > 0) Step({bytes, static_cast<size_t>(size)});
    closed_ = closed_ || size == 0;
    return size > 0;
  }
  bool secured() const { return !tls_->handshaking(); }
  bool closed() const { return closed_; }
  void Close() { fd_ = OwnedFd(); }

 private:
  void Step(std::string_view bytes) {
    std::vector<char> plain(bytes.size() + TlsSession::kRecordBytes +
                            TlsSession::kRecordOverhead);
    std::string out;
    (void)tls_->Open(bytes, plain.data(), &out);
    if (!out.empty()) Send(out);
  }

  OwnedFd fd_;
  std::unique_ptr<TlsSession> tls_;
  bool closed_ = false;
};

class TlsStreamsTest : public testing::Test {
 protected:
  static std::string FreeAddress() {
    EventLoop loop;
    RecordingTracer tracer;
    Sockets sockets(loop, tracer);
    return (*sockets.Listen("127.0.0.1:0",
                            [](std::unique_ptr<env::Connection>) {}))
        ->address();
  }

  void Listen(TlsListen listen, TlsMode dials) {
    streams_.emplace(loop_, sockets_, keeper_,
                     std::map<std::string, TlsListen>{{address_, listen}},
                     dials);
    auto listener = streams_->Listen(
        address_, [this](std::unique_ptr<env::Connection> connection) {
          accepted_.push_back(std::make_unique<TlsEnd>(std::move(connection)));
        });
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }
  std::unique_ptr<TlsEnd> Dial(env::Streams& streams) {
    std::unique_ptr<TlsEnd> client;
    env::Pending pending = streams.Connect(
        address_,
        [&](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          ASSERT_TRUE(connection.ok()) << connection.status();
          client = std::make_unique<TlsEnd>(*std::move(connection));
        });
    const size_t before = accepted_.size();
    RunUntil(loop_, [&] {
      return client != nullptr && accepted_.size() == before + 1;
    });
    return client;
  }
  TlsEnd& server() { return *accepted_.back(); }

  MadeCertificates made_{"streams"};
  const std::string address_ = FreeAddress();
  RecordingTracer tracer_;
  EventLoop loop_;
  Sockets sockets_{loop_, tracer_};
  const env::CertificateFiles files_ = made_.MakeNode(kName1);
  TlsKeeper keeper_{loop_, tracer_, files_,
                    *TlsContext::Load(files_, time(nullptr)),
                    [] { return int64_t{time(nullptr)}; }};
  std::optional<TlsStreams> streams_;
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<TlsEnd>> accepted_;
};

TEST_F(TlsStreamsTest, Bytes_BothWays_ArriveWithTheIdentity) {
  Listen({TlsMode::kRequired, /*mutual=*/true}, TlsMode::kRequired);
  const std::unique_ptr<TlsEnd> client = Dial(*streams_);
  // Before the handshake has ended.
  client->Write("one ");
  client->Write("two");
  RunUntil(loop_, [&] { return server().received == "one two"; });
  server().Write("three");
  RunUntil(loop_, [&] { return client->received == "three"; });
  const env::StreamIdentity known = {.secured = true, .name = kName1};
  EXPECT_EQ(server().connection->identity(), known);
  EXPECT_EQ(client->connection->identity(), known);
  EXPECT_EQ(keeper_.state().handshakes, 2u);
}

TEST_F(TlsStreamsTest, ManyBytes_ToASlowReader_AllArrive) {
  Listen({TlsMode::kRequired}, TlsMode::kRequired);
  const std::unique_ptr<TlsEnd> client = Dial(*streams_);
  RunUntil(loop_, [&] { return keeper_.state().handshakes == 2; });
  server().connection->PauseReads();
  std::string text;
  for (int i = 0; i < 9'000'000; ++i) text += static_cast<char>(i % 253);
  // Pieces shorter and longer than a record.
  size_t size = 1;
  for (size_t at = 0; at < text.size(); at += size) {
    size = size > 3'000'000 ? 1 : size * 2;
    client->Write(std::string_view(text).substr(at, size));
  }
  for (int i = 0; i < 50; ++i) loop_.RunTurn(Milliseconds(1));
  EXPECT_EQ(client->drained, 0);
  EXPECT_GT(client->connection->unsent_bytes(), 0u);
  server().connection->ResumeReads();
  RunUntil(loop_, [&] { return server().received.size() == text.size(); });
  EXPECT_TRUE(server().received == text);
  RunUntil(loop_, [&] { return client->drained > 0; });
  EXPECT_EQ(client->connection->unsent_bytes(), 0u);
  EXPECT_GE(client->connection->taken_bytes(), text.size());
}

TEST_F(TlsStreamsTest, End_LeavesTheOtherDirectionOpen) {
  Listen({TlsMode::kRequired}, TlsMode::kRequired);
  const std::unique_ptr<TlsEnd> client = Dial(*streams_);
  client->Write("all");
  client->connection->End();
  RunUntil(loop_, [&] { return server().ended; });
  EXPECT_EQ(server().received, "all");
  server().Write("answer");
  server().connection->End();
  RunUntil(loop_, [&] { return client->ended && client->drained > 0; });
  EXPECT_EQ(client->received, "answer");
  EXPECT_FALSE(client->closed.has_value());
}

TEST_F(TlsStreamsTest, Destruction_IsAnEndForTheOther) {
  Listen({TlsMode::kRequired}, TlsMode::kRequired);
  const std::unique_ptr<TlsEnd> client = Dial(*streams_);
  client->Write("x");
  RunUntil(loop_, [&] { return server().received == "x"; });
  accepted_.clear();
  RunUntil(loop_, [&] { return client->ended; });
}

TEST_F(TlsStreamsTest, PlainClient_IsClosedWhereTlsIsRequired) {
  Listen({TlsMode::kRequired}, TlsMode::kOff);
  const std::unique_ptr<TlsEnd> client = Dial(*streams_);
  server().Write("a secret");
  client->Write("*1\r\n$4\r\nPING\r\n");
  RunUntil(loop_, [&] { return client->ended || client->closed.has_value(); });
  EXPECT_EQ(server().received, "");
  EXPECT_EQ(client->received, "");
  EXPECT_TRUE(tracer_.Said("no TLS, which this address requires"));
  EXPECT_EQ(keeper_.state().failed_handshakes, 1u);
}

TEST_F(TlsStreamsTest, Optional_TakesBoth) {
  Listen({TlsMode::kOptional}, TlsMode::kRequired);
  for (env::Streams* const streams : {static_cast<env::Streams*>(&*streams_),
                                      static_cast<env::Streams*>(&sockets_)}) {
    const std::unique_ptr<TlsEnd> client = Dial(*streams);
    // Kept until the first byte of the client has come.
    server().Write("greeting ");
    server().echo = true;
    client->Write("hello");
    RunUntil(loop_, [&] { return client->received == "greeting hello"; });
    EXPECT_EQ(server().connection->identity().secured, streams == &*streams_);
  }
}

TEST_F(TlsStreamsTest, OptionalDial_FallsBackToAPlainServer) {
  Listen({TlsMode::kOff}, TlsMode::kOptional);
  std::unique_ptr<TlsEnd> client = Dial(*streams_);
  RunUntil(loop_, [&] { return !server().received.empty(); });
  accepted_.clear();
  RunUntil(loop_, [&] { return client->closed.has_value(); });
  client = Dial(*streams_);
  client->Write("plain");
  RunUntil(loop_, [&] { return server().received == "plain"; });
}

TEST_F(TlsStreamsTest, HalfAHandshake_IsGivenUp) {
  for (const TlsMode mode : {TlsMode::kRequired, TlsMode::kOptional}) {
    Listen({mode, /*mutual=*/false, /*handshake_max=*/Milliseconds(50)},
           TlsMode::kOff);
    RawClient client(address_);
    client.Send("\x16\x03\x01");
    RunUntil(loop_, [&] { return !accepted_.empty(); });
    RunUntil(loop_, [&] { return server().closed.has_value(); });
    EXPECT_NE(server().closed->message().find("no complete handshake in time"),
              std::string::npos);
    accepted_.clear();
    listener_.reset();
  }
}

TEST_F(TlsStreamsTest, SilentClient_IsClosedWhereTlsIsRequired) {
  Listen({TlsMode::kRequired, /*mutual=*/false,
          /*handshake_max=*/Milliseconds(50)},
         TlsMode::kOff);
  RawClient client(address_);
  RunUntil(loop_, [&] { return !accepted_.empty(); });
  RunUntil(loop_, [&] { return server().closed.has_value(); });
}

TEST_F(TlsStreamsTest, CutStream_IsNoEnd) {
  Listen({TlsMode::kRequired}, TlsMode::kOff);
  RawClient client(address_);
  client.BeginTls(keeper_.context());
  RunUntil(loop_, [&] {
    (void)client.GoOn();
    return keeper_.state().handshakes == 1;
  });
  while (client.GoOn()) {
  }
  client.Close();
  RunUntil(loop_, [&] { return server().closed.has_value(); });
  EXPECT_FALSE(server().ended);
  EXPECT_NE(server().closed->message().find("without the end of TLS"),
            std::string::npos);
}

TEST_F(TlsStreamsTest, ServerOfAnotherAuthority_IsNamedInTheLog) {
  Listen({TlsMode::kRequired}, TlsMode::kRequired);
  MadeCertificates others("strangers");
  const env::CertificateFiles files = others.MakeNode("quorate://5/2");
  TlsKeeper keeper(loop_, tracer_, files,
                   *TlsContext::Load(files, time(nullptr)),
                   [] { return int64_t{time(nullptr)}; });
  TlsStreams strangers(loop_, sockets_, keeper, {}, TlsMode::kRequired);
  const std::unique_ptr<TlsEnd> client = Dial(strangers);
  RunUntil(loop_, [&] {
    return client->closed.has_value() && server().closed.has_value();
  });
  EXPECT_TRUE(tracer_.Said("tls: no handshake: TLS with " + address_ +
                           ": certificate verify failed: unable to get local "
                           "issuer certificate"));
}

TEST_F(TlsStreamsTest, StormOfHandshakes_LeavesEachTurnShort) {
  Listen({TlsMode::kRequired}, TlsMode::kRequired);
  const std::unique_ptr<TlsEnd> client = Dial(*streams_);
  server().echo = true;
  client->Write("x");
  RunUntil(loop_, [&] { return client->received == "x"; });
  TlsEnd& echo = server();
  constexpr size_t kClients = 40;
  std::vector<std::unique_ptr<RawClient>> storm;
  for (size_t i = 0; i < kClients; ++i) {
    storm.push_back(std::make_unique<RawClient>(address_));
    storm.back()->BeginTls(keeper_.context());
  }
  RunUntil(loop_, [&] { return accepted_.size() == kClients + 1; });
  uint64_t most = 0;
  size_t echoed = 1;
  size_t turns = 0;
  while (keeper_.state().handshakes < kClients + 2) {
    for (const auto& one : storm) (void)one->GoOn();
    const uint64_t before = keeper_.state().handshakes;
    client->Write("y");
    loop_.RunTurn(Milliseconds(10));
    most = std::max(most, keeper_.state().handshakes - before);
    if (echo.received.size() > echoed) ++echoed;
    ASSERT_LT(++turns, 100'000u);
  }
  EXPECT_LE(most, static_cast<uint64_t>(StreamPoller::kTurnHandshakes));
  // The other client was served in most turns.
  EXPECT_GT(echoed, turns / 2);
}

TEST_F(TlsStreamsTest, NewCertificate_IsForLaterStreamsAlone) {
  Listen({TlsMode::kRequired, /*mutual=*/true}, TlsMode::kRequired);
  const std::unique_ptr<TlsEnd> earlier = Dial(*streams_);
  earlier->Write("1");
  RunUntil(loop_, [&] { return server().received == "1"; });
  TlsEnd& first = server();
  made_.MakeNode("quorate://5/7");
  keeper_.Reload();
  const std::unique_ptr<TlsEnd> later = Dial(*streams_);
  later->Write("2");
  RunUntil(loop_, [&] { return server().received == "2"; });
  EXPECT_EQ(server().connection->identity().name, "quorate://5/7");
  earlier->Write("3");
  RunUntil(loop_, [&] { return first.received == "13"; });
  EXPECT_EQ(first.connection->identity().name, kName1);
}

}  // namespace
}  // namespace quorate::net
