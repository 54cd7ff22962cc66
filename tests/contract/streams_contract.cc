// The contract of env/byte_streams.h.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/contract/fixture.h"

namespace quorate::contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StreamsContract);

namespace {

using env::Connection;
using env::Listener;
using env::Pending;

// Records the calls for one end of a connection.
class End : public Connection::Observer {
 public:
  void OnBytes(std::string_view bytes) override {
    Note();
    got.append(bytes);
    if (destroy_on_bytes) connection.reset();
  }
  void OnEnd() override {
    Note();
    got_when_ended = got.size();
    ++ends;
    if (destroy_on_end) connection.reset();
  }
  void OnClosed(absl::Status reason) override {
    Note();
    EXPECT_FALSE(reason.ok());
    ++closes;
    if (destroy_on_closed) connection.reset();
  }
  void OnDrained() override {
    Note();
    EXPECT_EQ(connection->unsent_bytes(), 0u);
    ++drains;
  }
  void Take(std::unique_ptr<Connection> taken) {
    connection = std::move(taken);
    connection->SetObserver(this);
  }
  void Say(const std::string& bytes) { connection->Write(Buffer::Copy(bytes)); }

  std::unique_ptr<Connection> connection;
  std::string got;
  size_t got_when_ended = 0;
  int ends = 0;
  int closes = 0;
  int drains = 0;
  int after_close = 0;
  bool destroy_on_bytes = false;
  bool destroy_on_end = false;
  bool destroy_on_closed = false;

 private:
  void Note() {
    if (closes > 0) ++after_close;
  }
};

// A server on env(0), connected with a client on env(1).
class Connected {
 public:
  explicit Connected(Fixture* fixture) : fixture_(fixture) {
    auto listening = fixture->env(0).streams.Listen(
        fixture->FreshAddress(), [this](std::unique_ptr<Connection> accepted) {
          ++accepts;
          server.Take(std::move(accepted));
        });
    EXPECT_TRUE(listening.ok()) << listening.status();
    listener = *std::move(listening);
    connecting_ = fixture->env(1).streams.Connect(
        listener->address(), [this](auto connection) {
          EXPECT_TRUE(connection.ok()) << connection.status();
          if (connection.ok()) client.Take(*std::move(connection));
        });
    EXPECT_TRUE(fixture->RunUntil(
        [this] { return client.connection && server.connection; }));
  }
  ~Connected() {
    client.connection.reset();
    server.connection.reset();
  }
  bool RunUntil(const std::function<bool()>& done) {
    return fixture_->RunUntil(done);
  }

  End server;
  End client;
  int accepts = 0;
  std::unique_ptr<Listener> listener;

 private:
  Fixture* const fixture_;
  Pending connecting_;
};

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 13 >> 3);
  return bytes;
}

// More than all buffers between two programs can hold.
constexpr size_t kPlenty = 32 << 20;

}  // namespace

TEST_P(StreamsContract, Bytes_GoBothWays) {
  Connected c(&fixture());
  c.client.Say("hello ");
  c.client.Say("server");
  ASSERT_TRUE(c.RunUntil([&] { return c.server.got == "hello server"; }));
  c.server.Say("hello client");
  ASSERT_TRUE(c.RunUntil([&] { return c.client.got == "hello client"; }));
  EXPECT_EQ(c.accepts, 1);
  EXPECT_FALSE(c.client.connection->peer_address().empty());
  EXPECT_FALSE(c.server.connection->peer_address().empty());
}

TEST_P(StreamsContract, Listen_OnPortZero_ReportsTheChosenPort) {
  const std::string address = fixture().FreshAddress();
  const std::string host = address.substr(0, address.rfind(':'));
  auto a = env(0).streams.Listen(host + ":0", [](auto) {});
  auto b = env(0).streams.Listen(host + ":0", [](auto) {});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE((*a)->address(), host + ":0");
  EXPECT_NE((*a)->address(), (*b)->address());
  EXPECT_EQ((*a)->address().substr(0, host.size() + 1), host + ":");
}

TEST_P(StreamsContract, Listen_OnAnAddressInUse_IsUnavailableAndNamed) {
  auto first = env(0).streams.Listen(fixture().FreshAddress(), [](auto) {});
  ASSERT_TRUE(first.ok());
  const std::string address = (*first)->address();
  auto second = env(0).streams.Listen(address, [](auto) {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(second.status().ToString().find(address), std::string::npos)
      << second.status();
}

TEST_P(StreamsContract, Listen_OnNoAddress_IsInvalid) {
  for (const char* address : {"nonsense", "host:", "host:99999", ":x", ""}) {
    EXPECT_EQ(env(0).streams.Listen(address, [](auto) {}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << address;
  }
}

TEST_P(StreamsContract, Connect_WithoutAListener_FailsInALaterTurn) {
  absl::Status status;
  bool called = false;
  bool inside = true;
  bool called_inside = false;
  Pending connecting =
      env(1).streams.Connect(fixture().FreshAddress(), [&](auto connection) {
        called_inside = inside;
        status = connection.status();
        called = true;
      });
  inside = false;
  ASSERT_TRUE(RunUntil([&] { return called; }));
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(called_inside);
}

TEST_P(StreamsContract, Connect_Cancelled_IsNeverCalled) {
  auto listener = env(0).streams.Listen(
      fixture().FreshAddress(),
      [](std::unique_ptr<Connection> accepted) { accepted.reset(); });
  ASSERT_TRUE(listener.ok());
  bool called = false;
  {
    Pending connecting = env(1).streams.Connect((*listener)->address(),
                                                [&](auto) { called = true; });
  }
  Settle();
  EXPECT_FALSE(called);
}

TEST_P(StreamsContract, DestroyedListener_AcceptsNoMoreAndKeepsItsConnections) {
  Connected c(&fixture());
  const std::string address = c.listener->address();
  c.listener.reset();
  bool refused = false;
  Pending connecting = env(1).streams.Connect(
      address, [&](auto connection) { refused = !connection.ok(); });
  ASSERT_TRUE(RunUntil([&] { return refused; }));
  c.client.Say("still there");
  EXPECT_TRUE(c.RunUntil([&] { return c.server.got == "still there"; }));
  // The address is free again.
  EXPECT_TRUE(env(0).streams.Listen(address, [](auto) {}).ok());
}

TEST_P(StreamsContract, AcceptMayDestroyItsListener) {
  std::unique_ptr<Listener> listener;
  End server;
  auto listening = env(0).streams.Listen(
      fixture().FreshAddress(), [&](std::unique_ptr<Connection> accepted) {
        listener.reset();
        server.Take(std::move(accepted));
      });
  ASSERT_TRUE(listening.ok());
  listener = *std::move(listening);
  End client;
  Pending connecting =
      env(1).streams.Connect(listener->address(), [&](auto connection) {
        if (connection.ok()) client.Take(*std::move(connection));
      });
  ASSERT_TRUE(RunUntil([&] { return server.connection && client.connection; }));
  EXPECT_EQ(listener, nullptr);
}

TEST_P(StreamsContract, ManyConnections_StayApart) {
  std::vector<std::unique_ptr<End>> servers;
  auto listener = env(0).streams.Listen(
      fixture().FreshAddress(), [&](std::unique_ptr<Connection> accepted) {
        servers.push_back(std::make_unique<End>());
        servers.back()->Take(std::move(accepted));
      });
  ASSERT_TRUE(listener.ok());
  std::vector<std::unique_ptr<End>> clients;
  std::vector<Pending> connecting;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(std::make_unique<End>());
    connecting.push_back(env(1).streams.Connect(
        (*listener)->address(), [client = clients.back().get(), i](auto c) {
          ASSERT_TRUE(c.ok()) << c.status();
          client->Take(*std::move(c));
          client->Say("i am " + std::to_string(i));
        }));
  }
  ASSERT_TRUE(RunUntil([&] {
    for (const auto& server : servers) {
      if (server->got.size() < 6) return false;
    }
    return servers.size() == 30;
  }));
  std::vector<std::string> said;
  for (auto& server : servers) {
    said.push_back(server->got);
    server->Say(server->got);
  }
  ASSERT_TRUE(RunUntil([&] {
    for (int i = 0; i < 30; ++i) {
      if (clients[i]->got != "i am " + std::to_string(i)) return false;
    }
    return true;
  }));
}

TEST_P(StreamsContract, LargeTransfer_ArrivesInOrderAndWhole) {
  Connected c(&fixture());
  const std::string bytes = Pattern(4 << 20);
  for (size_t at = 0; at < bytes.size(); at += 100'000) {
    c.client.Say(bytes.substr(at, 100'000));
  }
  ASSERT_TRUE(c.RunUntil([&] { return c.server.got.size() >= bytes.size(); }));
  EXPECT_TRUE(c.server.got == bytes);
}

TEST_P(StreamsContract, HalfClose_EndsOneDirectionOnly) {
  Connected c(&fixture());
  c.client.Say("last words");
  c.client.connection->End();
  ASSERT_TRUE(c.RunUntil([&] { return c.server.ends == 1; }));
  EXPECT_EQ(c.server.got, "last words");
  EXPECT_EQ(c.server.got_when_ended, 10u);
  EXPECT_EQ(c.client.ends, 0);
  c.server.Say("an answer");
  ASSERT_TRUE(c.RunUntil([&] { return c.client.got == "an answer"; }));
  c.server.connection->End();
  ASSERT_TRUE(c.RunUntil([&] { return c.client.ends == 1; }));
}

TEST_P(StreamsContract, EndAfterManyBytes_SendsThemFirst) {
  Connected c(&fixture());
  const std::string bytes = Pattern(3 << 20);
  c.client.Say(bytes);
  c.client.connection->End();
  ASSERT_TRUE(c.RunUntil([&] { return c.server.ends == 1; }));
  EXPECT_EQ(c.server.got_when_ended, bytes.size());
  EXPECT_TRUE(c.server.got == bytes);
}

TEST_P(StreamsContract, DestroyedConnection_IsNoticedByItsPeer) {
  Connected c(&fixture());
  c.client.connection.reset();
  EXPECT_TRUE(c.RunUntil([&] { return c.server.ends + c.server.closes > 0; }));
  EXPECT_EQ(c.client.ends + c.client.closes, 0);
}

TEST_P(StreamsContract, WritingToADestroyedPeer_EndsInOnClosed) {
  Connected c(&fixture());
  c.client.connection.reset();
  for (int i = 0; i < 100 && c.server.closes == 0; ++i) {
    c.server.Say("anyone?");
    fixture().RunFor(Milliseconds(10));
  }
  EXPECT_EQ(c.server.closes, 1);
  Settle();
  EXPECT_EQ(c.server.after_close, 0);
}

TEST_P(StreamsContract, ObserverMayDestroyTheConnectionInsideEachCall) {
  {
    Connected c(&fixture());
    c.server.destroy_on_bytes = true;
    c.client.Say("bye");
    ASSERT_TRUE(c.RunUntil([&] { return !c.server.got.empty(); }));
    EXPECT_EQ(c.server.connection, nullptr);
  }
  {
    Connected c(&fixture());
    c.server.destroy_on_end = true;
    c.client.connection->End();
    ASSERT_TRUE(c.RunUntil([&] { return c.server.ends == 1; }));
    EXPECT_EQ(c.server.connection, nullptr);
  }
  {
    Connected c(&fixture());
    c.server.destroy_on_closed = true;
    c.client.connection.reset();
    for (int i = 0; i < 100 && c.server.closes == 0; ++i) {
      c.server.Say("anyone?");
      fixture().RunFor(Milliseconds(10));
    }
    EXPECT_EQ(c.server.closes, 1);
    EXPECT_EQ(c.server.connection, nullptr);
  }
}

TEST_P(StreamsContract, PausedReader_ReceivesNothingUntilItResumes) {
  Connected c(&fixture());
  c.server.connection->PauseReads();
  c.client.Say("wait for it");
  c.client.connection->End();
  Settle();
  EXPECT_EQ(c.server.got, "");
  EXPECT_EQ(c.server.ends, 0);
  c.server.connection->ResumeReads();
  EXPECT_EQ(c.server.got, "");  // Never during the call.
  ASSERT_TRUE(c.RunUntil([&] { return c.server.ends == 1; }));
  EXPECT_EQ(c.server.got, "wait for it");
}

TEST_P(StreamsContract, PausedReader_StopsItsPeerUntilItResumes) {
  Connected c(&fixture());
  c.server.connection->PauseReads();
  const std::string bytes = Pattern(kPlenty);
  c.client.Say(bytes);
  Settle();
  const size_t held = c.client.connection->unsent_bytes();
  EXPECT_GT(held, 0u);
  Settle();
  EXPECT_EQ(c.client.connection->unsent_bytes(), held);
  EXPECT_EQ(c.client.drains, 0);
  c.server.connection->ResumeReads();
  ASSERT_TRUE(c.RunUntil([&] { return c.server.got.size() == kPlenty; }));
  ASSERT_TRUE(c.RunUntil([&] { return c.client.drains == 1; }));
  EXPECT_EQ(c.client.connection->unsent_bytes(), 0u);
  EXPECT_TRUE(c.server.got == bytes);
  Settle();
  EXPECT_EQ(c.client.drains, 1);
}

TEST_P(StreamsContract, TakenBytes_RiseAsThePeerReadsUntilAllAreTaken) {
  Connected c(&fixture());
  EXPECT_EQ(c.client.connection->taken_bytes(), 0u);
  c.server.connection->PauseReads();
  c.client.Say(Pattern(kPlenty));
  Settle();
  const uint64_t before = c.client.connection->taken_bytes();
  EXPECT_LT(before, kPlenty);
  Settle();
  EXPECT_EQ(c.client.connection->taken_bytes(), before);
  c.server.connection->ResumeReads();
  ASSERT_TRUE(
      c.RunUntil([&] { return c.client.connection->taken_bytes() > before; }));
  ASSERT_TRUE(c.RunUntil(
      [&] { return c.client.connection->taken_bytes() == kPlenty; }));
  EXPECT_EQ(c.client.connection->unsent_bytes(), 0u);
}

TEST_P(StreamsContract, End_WhenAllBytesAreSent_IsReportedOnceInALaterTurn) {
  Connected c(&fixture());
  InTurn(
      [&] {
        c.client.Say("last words");
        c.client.connection->End();
        EXPECT_EQ(c.client.drains, 0);
      },
      1);
  ASSERT_TRUE(c.RunUntil([&] { return c.client.drains == 1; }));
  ASSERT_TRUE(c.RunUntil([&] { return c.server.ends == 1; }));
  EXPECT_EQ(c.server.got, "last words");
  // The other end has sent nothing before it ends.
  InTurn([&] { c.server.connection->End(); }, 0);
  ASSERT_TRUE(c.RunUntil([&] { return c.server.drains == 1; }));
  ASSERT_TRUE(c.RunUntil([&] { return c.client.ends == 1; }));
  // Both ends have ended, so no further call may come.
  Settle();
  for (const End* end : {&c.server, &c.client}) {
    EXPECT_EQ(end->drains, 1);
    EXPECT_EQ(end->ends, 1);
    EXPECT_EQ(end->closes, 0);
  }
}

TEST_P(StreamsContract, EndAfterManyBytes_IsReportedWhenThePeerTookThem) {
  Connected c(&fixture());
  c.server.connection->PauseReads();
  c.client.Say(Pattern(kPlenty));
  c.client.connection->End();
  Settle();
  EXPECT_EQ(c.client.drains, 0);
  c.server.connection->ResumeReads();
  ASSERT_TRUE(c.RunUntil([&] { return c.client.drains == 1; }));
  ASSERT_TRUE(c.RunUntil([&] { return c.server.ends == 1; }));
  EXPECT_EQ(c.server.got.size(), kPlenty);
  Settle();
  EXPECT_EQ(c.client.drains, 1);
}

TEST_P(StreamsContract, SmallWrite_NeedsNoOnDrained) {
  Connected c(&fixture());
  InTurn([&] { c.client.Say("small"); }, 1);
  ASSERT_TRUE(c.RunUntil([&] { return c.server.got == "small"; }));
  Settle();
  EXPECT_EQ(c.client.drains, 0);
  EXPECT_EQ(c.client.connection->unsent_bytes(), 0u);
}

TEST_P(StreamsContract, ConnectionWithinOneProcess_Works) {
  End server;
  End client;
  auto listener = env(0).streams.Listen(
      fixture().FreshAddress(), [&](std::unique_ptr<Connection> accepted) {
        server.Take(std::move(accepted));
      });
  ASSERT_TRUE(listener.ok());
  Pending connecting =
      env(0).streams.Connect((*listener)->address(), [&](auto connection) {
        ASSERT_TRUE(connection.ok()) << connection.status();
        client.Take(*std::move(connection));
        client.Say("to myself");
      });
  ASSERT_TRUE(RunUntil([&] { return server.got == "to myself"; }));
}

}  // namespace quorate::contract
