#include "net/streams/sockets.h"

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/buffer.h"
#include "net/disk/posix_file.h"
#include "net/streams/stream_poller.h"
#include "net/testing/testing.h"

namespace quorate::net {
namespace {

int PortOf(const std::string& address) {
  return std::stoi(address.substr(address.rfind(':') + 1));
}

// One end of a stream and the events it received.
class End final : public env::Connection::Observer {
 public:
  explicit End(std::unique_ptr<env::Connection> c) : connection(std::move(c)) {
    connection->SetObserver(this);
  }
  void OnBytes(std::string_view bytes) override {
    received.append(bytes);
    ++reads;
    if (on_bytes) on_bytes();
    if (destroy_on_bytes) connection.reset();
  }
  void OnEnd() override { ended = true; }
  void OnClosed(absl::Status reason) override { closed = reason; }
  void OnDrained() override { ++drained; }
  void Write(std::string_view bytes) { connection->Write(Buffer::Copy(bytes)); }

  std::unique_ptr<env::Connection> connection;
  std::string received;
  int reads = 0;
  int drained = 0;
  bool ended = false;
  bool destroy_on_bytes = false;
  std::function<void()> on_bytes;
  std::optional<absl::Status> closed;
};

class SocketsTest : public testing::Test {
 protected:
  // Both ends of a new connection.
  struct Pair {
    std::unique_ptr<End> client;
    std::unique_ptr<End> server;
  };
  Pair Connect() {
    Pair pair;
    if (listener_ == nullptr) {
      listener_ = *sockets_.Listen(
          "127.0.0.1:0", [this](std::unique_ptr<env::Connection> connection) {
            accepted_.push_back(std::make_unique<End>(std::move(connection)));
          });
    }
    env::Pending pending = sockets_.Connect(
        listener_->address(),
        [&](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          ASSERT_TRUE(connection.ok()) << connection.status();
          pair.client = std::make_unique<End>(*std::move(connection));
        });
    RunUntil(loop_,
             [&] { return pair.client != nullptr && !accepted_.empty(); });
    pair.server = std::move(accepted_.back());
    accepted_.pop_back();
    return pair;
  }

  // A blocking socket of a client, and the End that accepted it.
  struct Dialled {
    OwnedFd client;
    std::unique_ptr<End> server;
    // The bytes are readable at the other end at once, or a little later.
    void Send(std::string_view bytes) const {
      EXPECT_EQ(send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(bytes.size()));
    }
  };
  Dialled Dial() {
    if (listener_ == nullptr) Connect();
    Dialled dialled;
    dialled.client = OwnedFd(DialWithSmallBuffer());
    RunUntil(loop_, [&] { return !accepted_.empty(); });
    dialled.server = std::move(accepted_.back());
    accepted_.pop_back();
    return dialled;
  }

  // Connects to listener_. The kernel buffers little for the returned socket.
  int DialWithSmallBuffer() {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int small = 4096;
    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port =
        htons(static_cast<uint16_t>(PortOf(listener_->address())));
    EXPECT_EQ(
        connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    return client;
  }

  RecordingTracer tracer_;
  EventLoop loop_;
  Sockets sockets_{loop_, tracer_};
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<End>> accepted_;
};

TEST_F(SocketsTest, Bytes_BothWays_ArriveInOrder) {
  Pair pair = Connect();
  pair.client->Write("one ");
  pair.client->Write("two");
  pair.server->Write("three");
  RunUntil(loop_, [&] {
    return pair.server->received == "one two" &&
           pair.client->received == "three";
  });
  EXPECT_EQ(pair.server->reads, 1) << "the writes of one turn leave together";
  EXPECT_EQ(pair.client->connection->peer_address(), listener_->address());
  EXPECT_EQ(pair.server->connection->peer_address().substr(0, 10),
            "127.0.0.1:");
}

// After a failover, all clients of a node come at once.
TEST_F(SocketsTest, ManyConnectionsAtOnce_AreAcceptedInManyTurns) {
  size_t accepted = 0;
  listener_ = *sockets_.Listen(
      "127.0.0.1:0", [&](std::unique_ptr<env::Connection>) { ++accepted; });
  constexpr size_t kConnections = 400;
  std::vector<int> clients;
  for (size_t i = 0; i < kConnections; ++i) {
    clients.push_back(DialWithSmallBuffer());
  }
  size_t most = 0;
  RunUntil(loop_, [&, before = size_t{0}]() mutable {
    most = std::max(most, accepted - before);
    before = accepted;
    return accepted == kConnections;
  });
  EXPECT_LE(most, 64u);
  EXPECT_GT(most, 1u);
  for (const int client : clients) close(client);
}

// The sent bytes fit the buffers of the kernel, so the stream has no unsent
// bytes: only the kernel can report the stall.
TEST_F(SocketsTest, PeerThatNeverReads_IsClosedAfterAWhile) {
  SocketOptions options;
  options.user_timeout_accepted = Milliseconds(500);
  Sockets sockets(loop_, tracer_, options);
  std::unique_ptr<End> server;
  listener_ = *sockets.Listen(
      "127.0.0.1:0", [&](std::unique_ptr<env::Connection> connection) {
        server = std::make_unique<End>(std::move(connection));
        server->Write(std::string(300'000, 'x'));
      });
  const int client = DialWithSmallBuffer();
  RunUntil(loop_, [&] {
    return server != nullptr && server->connection->unsent_bytes() == 0;
  });
  EXPECT_LT(server->connection->taken_bytes(), 200'000u);
  RunUntil(loop_, [&] { return server->closed.has_value(); });
  EXPECT_EQ(server->closed->code(), absl::StatusCode::kDeadlineExceeded)
      << *server->closed;
  server.reset();
  close(client);
}

// The socket of this process that is connected to `port`; -1: none is.
int SocketTo(int port) {
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in peer = {};
    socklen_t size = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
        ntohs(peer.sin_port) == port) {
      return fd;
    }
  }
  return -1;
}

int OptionOf(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

// A firewall may forget an idle connection, or the peer's machine may be gone.
// The kernel's probes end the stream before anything is sent on it. Sent bytes
// end it if they stay unacknowledged. A small message never waits for the
// acknowledgement of the one before.
TEST_F(SocketsTest, EachSide_HasItsOptions) {
  SocketOptions options;
  options.user_timeout_dialed = Seconds(4);
  options.user_timeout_accepted = Seconds(50);
  options.keep_alive_dialed = Seconds(6);
  options.keep_alive = Seconds(90);
  Sockets sockets(loop_, tracer_, options);
  std::unique_ptr<End> server;
  listener_ = *sockets.Listen(
      "127.0.0.1:0", [&](std::unique_ptr<env::Connection> connection) {
        server = std::make_unique<End>(std::move(connection));
      });
  std::unique_ptr<End> client;
  const env::Pending dial = sockets.Connect(
      listener_->address(),
      [&](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        ASSERT_TRUE(connection.ok()) << connection.status();
        client = std::make_unique<End>(*std::move(connection));
      });
  RunUntil(loop_, [&] { return client != nullptr && server != nullptr; });
  const int dialed = SocketTo(PortOf(listener_->address()));
  const int accepted = SocketTo(PortOf(server->connection->peer_address()));
  ASSERT_GE(dialed, 0);
  ASSERT_GE(accepted, 0);
  struct Row {
    int level;
    int option;
    int dialed;
    int accepted;
  };
  for (const Row& row : {Row{IPPROTO_TCP, TCP_NODELAY, 1, 1},
                         Row{IPPROTO_TCP, TCP_USER_TIMEOUT, 4000, 50'000},
                         Row{SOL_SOCKET, SO_KEEPALIVE, 1, 1},
                         Row{IPPROTO_TCP, TCP_KEEPIDLE, 6, 90},
                         Row{IPPROTO_TCP, TCP_KEEPINTVL, 2, 30},
                         Row{IPPROTO_TCP, TCP_KEEPCNT, 3, 3}}) {
    EXPECT_EQ(OptionOf(dialed, row.level, row.option), row.dialed)
        << row.option;
    EXPECT_EQ(OptionOf(accepted, row.level, row.option), row.accepted)
        << row.option;
  }
}

TEST_F(SocketsTest, BytesOnManyStreams_AreReadOverSeveralTurns) {
  constexpr size_t kStreams = 48;
  const std::string sent(StreamPoller::kTurnBytes / 16, 'x');
  std::vector<Pair> pairs;
  for (size_t i = 0; i < kStreams; ++i) pairs.push_back(Connect());
  const auto received = [&] {
    size_t sum = 0;
    for (const Pair& pair : pairs) sum += pair.server->received.size();
    return sum;
  };
  for (Pair& pair : pairs) pair.client->Write(sent);
  size_t before = 0;
  for (int turns = 0; before < kStreams * sent.size(); ++turns) {
    ASSERT_LT(turns, 20'000) << "bytes are missing";
    loop_.RunTurn(Milliseconds(1));
    const size_t after = received();
    EXPECT_LE(after - before, (256u << 10) + sent.size());
    before = after;
  }
  for (const Pair& pair : pairs) EXPECT_EQ(pair.server->received, sent);
}

// Fewer turns make fewer entries of the log for the same requests. The kernel
// may deliver bytes late, so there are several attempts.
TEST_F(SocketsTest, BytesThatArriveDuringReads_AreReadInTheSameTurn) {
  std::vector<Dialled> busy;
  for (int i = 0; i < 16; ++i) busy.push_back(Dial());
  const Dialled late = Dial();
  busy.back().server->on_bytes = [&] { late.Send("late"); };
  bool same_turn = false;
  for (int attempt = 0; attempt < 20 && !same_turn; ++attempt) {
    late.server->received.clear();
    busy.back().server->received.clear();
    for (const Dialled& one : busy) one.Send("x");
    RunUntil(loop_, [&] { return !busy.back().server->received.empty(); });
    same_turn = !late.server->received.empty();
    RunUntil(loop_, [&] { return !late.server->received.empty(); });
  }
  EXPECT_TRUE(same_turn);
}

// With one client at a time, asking again only costs time.
TEST_F(SocketsTest, BytesThatArriveDuringTheOnlyRead_WaitForTheNextTurn) {
  const Dialled dialled = Dial();
  dialled.server->on_bytes = [&] { dialled.Send("again"); };
  dialled.Send("once");
  for (int turn = 0; turn < 20; ++turn) {
    const int before = dialled.server->reads;
    loop_.RunTurn(Milliseconds(1));
    EXPECT_LE(dialled.server->reads - before, 1);
  }
  EXPECT_GT(dialled.server->reads, 1);
}

TEST_F(SocketsTest, BytesThatArriveDuringEachRead_EndTheTurn) {
  std::vector<Dialled> all;
  for (int i = 0; i < 16; ++i) all.push_back(Dial());
  int reads = 0;
  for (const Dialled& one : all) {
    one.server->on_bytes = [&] {
      ++reads;
      one.Send("again");
    };
    one.Send("once");
  }
  for (int turn = 0; turn < 20; ++turn) {
    const int before = reads;
    loop_.RunTurn(Milliseconds(1));
    EXPECT_LE(reads - before, 64);
  }
  EXPECT_GT(reads, 64);
}

// Each read costs a system call and a request, however short it is.
TEST_F(SocketsTest, ShortReadsOfManyStreams_TakeSeveralTurns) {
  constexpr size_t kStreams = 600;
  rlimit descriptors;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  descriptors.rlim_cur = descriptors.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  if (descriptors.rlim_cur < 3 * kStreams) {
    GTEST_SKIP() << "the system allows " << descriptors.rlim_cur
                 << " open files only";
  }
  std::vector<Dialled> all;
  for (size_t i = 0; i < kStreams; ++i) all.push_back(Dial());
  for (const Dialled& one : all) one.Send("x");
  size_t read = 0;
  for (const Dialled& one : all) {
    one.server->on_bytes = [&read] { ++read; };
  }
  RunUntil(loop_, [&, before = size_t{0}]() mutable {
    EXPECT_LE(read - before, 512u);
    before = read;
    return read == kStreams;
  });
}

// All of them begin to read at the same time.
TEST_F(SocketsTest, ManySlowReaders_GetTheirBytesOverSeveralTurns) {
  constexpr size_t kStreams = 24;
  constexpr size_t kBytes = 8 << 20;
  listener_ = *sockets_.Listen(
      "127.0.0.1:0", [this](std::unique_ptr<env::Connection> connection) {
        accepted_.push_back(std::make_unique<End>(std::move(connection)));
      });
  std::vector<int> readers;
  for (size_t i = 0; i < kStreams; ++i) {
    readers.push_back(DialWithSmallBuffer());
  }
  RunUntil(loop_, [&] { return accepted_.size() == kStreams; });
  const Buffer bytes = Buffer::Copy(std::string(kBytes, 'x'));
  for (auto& end : accepted_) end->connection->Write(bytes);
  for (int turn = 0; turn < 100; ++turn) loop_.RunTurn(Milliseconds(1));
  const auto unsent = [&] {
    size_t sum = 0;
    for (auto& end : accepted_) sum += end->connection->unsent_bytes();
    return sum;
  };
  ASSERT_GT(unsent(), 0u);
  std::vector<char> buffer(1 << 20);
  size_t read = 0;
  for (int turn = 0; read < kStreams * kBytes; ++turn) {
    ASSERT_LT(turn, 20'000) << "bytes are missing";
    for (const int reader : readers) {
      ssize_t size = 0;
      while ((size = recv(reader, buffer.data(), buffer.size(), MSG_DONTWAIT)) >
             0) {
        read += static_cast<size_t>(size);
      }
    }
    const size_t before = unsent();
    loop_.RunTurn(Milliseconds(1));
    EXPECT_LE(before - unsent(),
              StreamPoller::kTurnSentBytes + StreamPoller::kSendBytes);
  }
  for (const int reader : readers) close(reader);
}

// All of them get long replies in one turn, and one gets a short reply.
TEST_F(SocketsTest, LongRepliesOfOneTurn_LeaveOverSeveralTurns) {
  constexpr size_t kStreams = 64;
  constexpr size_t kBytes = 1 << 20;
  std::vector<Pair> pairs;
  for (size_t i = 0; i < kStreams; ++i) pairs.push_back(Connect());
  Pair brief = Connect();
  const Buffer bytes = Buffer::Copy(std::string(kBytes, 'x'));
  for (Pair& pair : pairs) pair.server->connection->Write(bytes);
  brief.server->Write("pong");
  const auto unsent = [&] {
    size_t sum = 0;
    for (Pair& pair : pairs) sum += pair.server->connection->unsent_bytes();
    return sum;
  };
  size_t before = unsent();
  loop_.RunTurn(Milliseconds(1));
  EXPECT_EQ(brief.server->connection->unsent_bytes(), 0u);
  for (int turn = 0; unsent() > 0; ++turn) {
    ASSERT_LT(turn, 20'000) << "bytes are missing";
    EXPECT_LE(before - unsent(),
              StreamPoller::kTurnSentBytes + StreamPoller::kSendBytes +
                  kStreams * StreamPoller::kFirstSendBytesMin);
    before = unsent();
    loop_.RunTurn(Milliseconds(1));
  }
  RunUntil(loop_, [&] {
    return std::all_of(pairs.begin(), pairs.end(), [](const Pair& pair) {
      return pair.client->received.size() == kBytes &&
             pair.server->drained == 1;
    });
  });
}

// A stream to another node was full while many clients have replies left.
TEST_F(SocketsTest, DialledStreamThatWasFull_SendsBeforeTheClients) {
  constexpr size_t kStreams = 64;
  constexpr size_t kBytes = 8 << 20;
  Pair node = Connect();
  node.server->connection->PauseReads();
  const Buffer bytes = Buffer::Copy(std::string(kBytes, 'x'));
  node.client->connection->Write(bytes);
  for (int turn = 0; turn < 100; ++turn) loop_.RunTurn(Milliseconds(1));
  const size_t full = node.client->connection->unsent_bytes();
  ASSERT_GT(full, 0u);
  std::vector<Pair> clients;
  for (size_t i = 0; i < kStreams; ++i) clients.push_back(Connect());
  for (Pair& client : clients) {
    client.client->connection->PauseReads();
    client.server->connection->Write(bytes);
  }
  loop_.RunTurn(Milliseconds(1));
  node.server->connection->ResumeReads();
  for (int turn = 0; turn < 40; ++turn) loop_.RunTurn(Milliseconds(1));
  EXPECT_LT(node.client->connection->unsent_bytes(), full / 2);
}

// One stream always has more to read.
TEST_F(SocketsTest, StreamThatIsAlwaysReadable_DelaysNoOther) {
  Pair busy = Connect();
  Pair other = Connect();
  const std::string much(StreamPoller::kTurnBytes, 'x');
  const auto fill = [&] {
    while (busy.client->connection->unsent_bytes() < 8 * much.size()) {
      busy.client->Write(much);
    }
  };
  fill();
  loop_.RunTurn(Milliseconds(1));
  other.client->Write("ping");
  for (int turn = 0; turn < 4 && other.server->received.empty(); ++turn) {
    fill();
    loop_.RunTurn(Milliseconds(1));
  }
  EXPECT_EQ(other.server->received, "ping");
}

TEST_F(SocketsTest, ManyMegabytes_ThroughASlowReader_ArriveWhole) {
  Pair pair = Connect();
  std::string sent;
  for (int i = 0; sent.size() < (24 << 20); ++i) sent += std::to_string(i);
  pair.server->connection->PauseReads();
  for (size_t at = 0; at < sent.size(); at += 100'000) {
    pair.client->Write(std::string_view(sent).substr(at, 100'000));
  }
  for (int i = 0; i < 20; ++i) loop_.RunTurn(Milliseconds(1));
  EXPECT_GT(pair.client->connection->unsent_bytes(), 0u) << "held back";
  EXPECT_EQ(pair.server->received.size(), 0u) << "paused";
  EXPECT_EQ(pair.client->drained, 0);
  pair.server->connection->ResumeReads();
  RunUntil(loop_, [&] { return pair.server->received.size() == sent.size(); });
  EXPECT_TRUE(pair.server->received == sent);
  RunUntil(loop_, [&] { return pair.client->drained == 1; });
  EXPECT_EQ(pair.client->connection->unsent_bytes(), 0u);
}

// A million pieces through a stream that always has something unsent.
TEST_F(SocketsTest, StreamThatIsNeverEmpty_KeepsNoSentPieces) {
  std::unique_ptr<End> server;
  listener_ = *sockets_.Listen(
      "127.0.0.1:0", [&](std::unique_ptr<env::Connection> connection) {
        server = std::make_unique<End>(std::move(connection));
      });
  const int client = DialWithSmallBuffer();
  RunUntil(loop_, [&] { return server != nullptr; });
  const auto allocated = [] {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const Buffer piece = Buffer::Copy(std::string(64, 'x'));
  const size_t before = allocated();
  size_t most = before;
  std::string read(1 << 20, ' ');
  for (size_t written = 0; written < 64 << 20;) {
    while (server->connection->unsent_bytes() < 4 << 20) {
      server->connection->Write(piece);
      written += piece.size();
    }
    loop_.RunTurn(Duration());
    if (server->connection->unsent_bytes() < 4 << 20) continue;
    ASSERT_GT(recv(client, read.data(), read.size(), 0), 0);
    loop_.RunTurn(Duration());
    ASSERT_GT(server->connection->unsent_bytes(), 0u);
    most = std::max(most, allocated());
  }
  EXPECT_LT(most - before, 12 << 20);
  server.reset();
  close(client);
}

TEST_F(SocketsTest, PausedReads_DeliverNothingUntilResumed) {
  Pair pair = Connect();
  pair.server->connection->PauseReads();
  pair.client->Write("x");
  pair.client->connection->End();
  for (int i = 0; i < 20; ++i) loop_.RunTurn(Milliseconds(1));
  EXPECT_EQ(pair.server->received, "");
  EXPECT_FALSE(pair.server->ended);
  pair.server->connection->ResumeReads();
  RunUntil(loop_, [&] { return pair.server->ended; });
  EXPECT_EQ(pair.server->received, "x");
}

TEST_F(SocketsTest, End_HalfCloses_AndTheOtherWayStillWorks) {
  Pair pair = Connect();
  pair.client->Write("question");
  pair.client->connection->End();
  RunUntil(loop_, [&] { return pair.server->ended; });
  EXPECT_EQ(pair.server->received, "question");
  pair.server->Write("answer");
  RunUntil(loop_, [&] { return pair.client->received == "answer"; });
  EXPECT_FALSE(pair.client->ended);
}

TEST_F(SocketsTest, DestroyedAfterAWrite_SendsTheBytes) {
  Pair pair = Connect();
  pair.client->Write("last words");
  pair.client->connection.reset();
  RunUntil(loop_, [&] { return pair.server->ended; });
  EXPECT_EQ(pair.server->received, "last words");
}

TEST_F(SocketsTest, DestroyedInsideItsOwnCallback_MakesNoFurtherCall) {
  Pair pair = Connect();
  pair.server->destroy_on_bytes = true;
  pair.client->Write("bye");
  RunUntil(loop_, [&] { return pair.client->ended; });
  EXPECT_EQ(pair.server->reads, 1);
  EXPECT_FALSE(pair.server->closed.has_value());
}

TEST_F(SocketsTest, PeerResets_TheStreamIsClosedOnce) {
  Pair pair = Connect();
  // Unread bytes at closing make the kernel send a reset.
  pair.client->connection->PauseReads();
  loop_.RunTurn(Milliseconds(1));
  pair.server->Write(std::string(1 << 20, 'x'));
  for (int i = 0; i < 5; ++i) loop_.RunTurn(Milliseconds(1));
  pair.client->connection.reset();
  RunUntil(loop_, [&] { return pair.server->closed.has_value(); });
  EXPECT_TRUE(absl::IsUnavailable(*pair.server->closed));
  pair.server->Write("into the void");
  loop_.RunTurn(Milliseconds(1));
}

// Such a stream waits in the poller's queue to go on. Streams to other nodes
// have a queue of their own.
TEST_F(SocketsTest, StreamThatClosesWithMoreToSend_MakesNoFurtherCall) {
  const std::string much(4 * StreamPoller::kTurnSentBytes, 'x');
  for (const bool dialed : {true, false}) {
    SCOPED_TRACE(dialed);
    Pair reset = Connect();
    Pair destroyed = Connect();
    End& writer = dialed ? *reset.client : *reset.server;
    End& reader = dialed ? *reset.server : *reset.client;
    // Its peer resets it.
    writer.connection->PauseReads();
    reader.connection->PauseReads();
    writer.Write(much);
    loop_.RunTurn(Milliseconds(1));
    ASSERT_LT(writer.connection->unsent_bytes(), much.size());
    reader.connection.reset();
    RunUntil(loop_, [&] { return writer.closed.has_value(); });
    End& gone = dialed ? *destroyed.client : *destroyed.server;
    gone.Write(much);
    gone.connection.reset();
    for (int turn = 0; turn < 5; ++turn) loop_.RunTurn(Milliseconds(1));
    EXPECT_EQ(writer.drained, 0);
    EXPECT_EQ(gone.drained, 0);
    EXPECT_FALSE(gone.closed.has_value());
  }
}

// Nothing else would show that the peer is gone: there is nothing to write.
TEST_F(SocketsTest, PeerResetsWhileReadsArePaused_TheStreamIsClosed) {
  Pair pair = Connect();
  pair.server->connection->PauseReads();
  pair.client->connection->PauseReads();
  pair.server->Write("unread");
  for (int i = 0; i < 5; ++i) loop_.RunTurn(Milliseconds(1));
  pair.client->connection.reset();
  RunUntil(loop_, [&] { return pair.server->closed.has_value(); });
  EXPECT_TRUE(absl::IsUnavailable(*pair.server->closed));
}

TEST_F(SocketsTest, Listen_OnAPortInUse_NamesTheReason) {
  Connect();
  const auto second = sockets_.Listen(listener_->address(),
                                      [](std::unique_ptr<env::Connection>) {});
  ASSERT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  EXPECT_NE(second.status().ToString().find("in use"), std::string::npos);
  EXPECT_NE(second.status().ToString().find(listener_->address()),
            std::string::npos);
}

TEST_F(SocketsTest, Listen_OnAnAddressOfAnotherMachine_IsRefused) {
  for (const char* address : {"nonsense", "192.0.2.1:1", "127.0.0.1:99999"}) {
    const auto listener =
        sockets_.Listen(address, [](std::unique_ptr<env::Connection>) {});
    EXPECT_TRUE(absl::IsInvalidArgument(listener.status()))
        << address << ": " << listener.status();
  }
}

TEST_F(SocketsTest, Listen_AgainAfterClosing_TakesThePortBack) {
  Pair pair = Connect();
  const std::string address = listener_->address();
  listener_.reset();
  EXPECT_TRUE(
      sockets_.Listen(address, [](std::unique_ptr<env::Connection>) {}).ok());
}

TEST_F(SocketsTest, Connect_WithoutAListener_FailsInALaterTurn) {
  for (const char* address : {"127.0.0.1:1", "not an address"}) {
    std::optional<absl::Status> status;
    env::Pending pending = sockets_.Connect(
        address, [&](absl::StatusOr<std::unique_ptr<env::Connection>> c) {
          status = c.status();
        });
    EXPECT_FALSE(status.has_value());
    RunUntil(loop_, [&] { return status.has_value(); });
    EXPECT_FALSE(status->ok());
    EXPECT_NE(status->ToString().find(address), std::string::npos) << *status;
  }
}

TEST_F(SocketsTest, Connect_ByName_IsResolved) {
  const auto listener =
      sockets_.Listen("localhost:0", [](std::unique_ptr<env::Connection>) {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const std::string address = (*listener)->address();
  bool connected = false;
  env::Pending pending = sockets_.Connect(
      "localhost" + address.substr(address.rfind(':')),
      [&](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        EXPECT_TRUE(connection.ok()) << connection.status();
        connected = true;
      });
  RunUntil(loop_, [&] { return connected; });
}

TEST_F(SocketsTest, Connect_Cancelled_MakesNoCall) {
  Connect();
  {
    auto cancelled =
        sockets_.Connect(listener_->address(), [](auto) { FAIL(); });
  }
  {
    auto cancelled = sockets_.Connect("127.0.0.1:1", [](auto) { FAIL(); });
  }
  {
    auto cancelled = sockets_.Connect("localhost:1", [](auto) { FAIL(); });
  }
  for (int i = 0; i < 50; ++i) loop_.RunTurn(Milliseconds(2));
}

TEST_F(SocketsTest, ManyConnections_EachGetItsOwnBytes) {
  std::vector<Pair> pairs;
  for (int i = 0; i < 100; ++i) pairs.push_back(Connect());
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].client->Write(std::to_string(i));
  }
  RunUntil(loop_, [&] {
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i].server->received != std::to_string(i)) return false;
    }
    return true;
  });
}

}  // namespace
}  // namespace quorate::net
