// The hash covers every bit of every byte that programs send, write, read and
// note, and every field of every hashed event.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "gtest/gtest.h"
#include "sim/choices/trace_hash.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

constexpr char kAddress[] = "n1:7000";

// The bytes that the programs below send and store.
struct Script {
  std::string message = "a message";
  std::string pieces = "two pieces";  // A write of two buffers.
  std::string file = "file";
  std::string request = "request";
  std::string reply = "the reply";
  std::string note = "note";
  std::string stored = "stored";  // It is on the disk before it is read.
};

// Serves a stream, receives messages, and writes and reads its disk.
class Server final : public env::Transport::Receiver,
                     public env::Connection::Observer {
 public:
  Server(env::Env& env, const Script& script) : env_(env), script_(script) {
    EXPECT_TRUE(env.transport
                    .Start({ClusterId(1), NodeId(1), StoreIncarnation(1)},
                           kAddress, {{NodeId(2), "n2:7000"}}, this)
                    .ok());
    auto listener = env.streams.Listen("n1:6379", [this](auto connection) {
      connection_ = std::move(connection);
      connection_->SetObserver(this);
    });
    EXPECT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    opening_ = env.disk.Open(script.file, env::Disk::OpenMode::kCreateIfAbsent,
                             [this](auto file) {
                               // Some flipped names are not valid.
                               if (!file.ok()) return;
                               file_ = *std::move(file);
                               Write();
                             });
    reading_.open = env.disk.Open(
        "kept", env::Disk::OpenMode::kExisting, [this](auto file) {
          if (!file.ok()) return;
          reading_.file = *std::move(file);
          reading_.read = reading_.file->Read(0, 64, [](auto) {});
        });
  }

  void OnMessage(NodeId, StoreIncarnation, Buffer) override {}
  void OnBytes(std::string_view) override {
    connection_->Write(Buffer::Copy(script_.reply));
  }
  void OnEnd() override { connection_.reset(); }
  void OnClosed(absl::Status) override { connection_.reset(); }
  void OnDrained() override {}

 private:
  void Write() {
    const Buffer whole = Buffer::Copy(script_.pieces);
    const Buffer pieces[] = {whole.Slice(0, 4),
                             whole.Slice(4, whole.size() - 4)};
    writing_ =
        file_->Write(0, pieces, env::Durability::kDurable, [](absl::Status) {});
  }

  struct Reading {
    env::Pending open;
    std::unique_ptr<env::File> file;
    env::Pending read;
  };

  env::Env& env_;
  const Script script_;
  std::unique_ptr<env::Listener> listener_;
  std::unique_ptr<env::Connection> connection_;
  std::unique_ptr<env::File> file_;
  Reading reading_;
  env::Pending opening_;
  env::Pending writing_;
};

// Sends a message and a request, then closes the stream.
class Caller final : public env::Transport::Receiver,
                     public env::Connection::Observer {
 public:
  Caller(env::Env& env, const Script& script) : env_(env), script_(script) {
    EXPECT_TRUE(env.transport
                    .Start({ClusterId(1), NodeId(2), StoreIncarnation(2)},
                           "n2:7000", {{NodeId(1), kAddress}}, this)
                    .ok());
    timer_ = env.loop.At(env.loop.ReadClock().mono + Milliseconds(1), [this] {
      const Buffer message[] = {Buffer::Copy(script_.message)};
      env_.transport.Send(NodeId(1), env::Lane::kControl, message);
      EXPECT_TRUE(env_.transport.Congested(NodeId(1), env::Lane::kControl));
    });
    connecting_ = env.streams.Connect("n1:6379", [this](auto connection) {
      ASSERT_TRUE(connection.ok()) << connection.status();
      connection_ = *std::move(connection);
      connection_->SetObserver(this);
      connection_->Write(Buffer::Copy(script_.request));
    });
  }

  void OnMessage(NodeId, StoreIncarnation, Buffer) override {}
  void OnBytes(std::string_view) override { connection_.reset(); }
  void OnEnd() override { connection_.reset(); }
  void OnClosed(absl::Status) override { connection_.reset(); }
  void OnDrained() override {}

 private:
  env::Env& env_;
  const Script script_;
  env::Pending timer_;
  env::Pending connecting_;
  std::unique_ptr<env::Connection> connection_;
};

// Puts a file on a disk.
class Writer {
 public:
  Writer(env::Env& env, const std::string& text) {
    opening_ = env.disk.Open(
        "kept", env::Disk::OpenMode::kCreate, [this, text](auto file) {
          file_ = *std::move(file);
          const Buffer pieces[] = {Buffer::Copy(text)};
          writing_ = file_->Write(0, pieces, env::Durability::kDurable,
                                  [](absl::Status) {});
        });
  }

 private:
  std::unique_ptr<env::File> file_;
  env::Pending opening_;
  env::Pending writing_;
};

// A world with every kind of hashed event. With `rot` a bit of the stored file
// flips before it is read.
struct ScriptResult {
  Hash128 hash;
  std::vector<TraceRecord> trace;
};
ScriptResult RunScript(const Script& script, std::optional<size_t> rot = {}) {
  World world({.seed = 5, .keep_trace = true});
  world.network_options().lane_bytes_max = 1;
  const MachineId server = world.AddMachine({.name = "n1"});
  const MachineId caller = world.AddMachine({.name = "n2"});
  // Another process writes the file to the shared disk.
  const MachineId writer = world.AddMachine({.shares_disk_with = server});
  world.Start(writer, [&](env::Env& env) {
    return std::make_shared<Writer>(env, script.stored);
  });
  world.RunFor(Milliseconds(5));
  world.Crash(writer, CrashKind::kProcess);
  if (rot.has_value()) {
    EXPECT_TRUE(world.FlipDiskBit(server, "kept", *rot / 8,
                                  static_cast<int>(*rot % 8)));
  }
  world.Start(server, [&](env::Env& env) {
    return std::make_shared<Server>(env, script);
  });
  world.RunFor(Milliseconds(1));
  world.Start(caller, [&](env::Env& env) {
    return std::make_shared<Caller>(env, script);
  });
  world.RunFor(Milliseconds(20));
  world.HashNote(server, script.note, [] { return std::string(); });
  return {world.trace_hash(), world.trace()};
}

Hash128 HashOf(const std::vector<TraceRecord>& trace) {
  TraceHash hash(false);
  for (const TraceRecord& record : trace) {
    hash.Add(record.time, record.machine, record.kind, record.payload);
  }
  return hash.value();
}

TEST(HashCoverage, TheSmallRun_HasEveryKindOfEvent) {
  const ScriptResult outcome = RunScript({});
  absl::btree_set<TraceKind> kinds;
  for (const TraceRecord& record : outcome.trace) kinds.insert(record.kind);
  for (int kind = 0; kind <= static_cast<int>(TraceKind::kNote); ++kind) {
    EXPECT_TRUE(kinds.contains(static_cast<TraceKind>(kind)))
        << TraceKindName(static_cast<TraceKind>(kind));
  }
  EXPECT_EQ(outcome.hash, RunScript({}).hash);
  // The records are all hashed events.
  EXPECT_EQ(outcome.hash, HashOf(outcome.trace));
}

TEST(HashCoverage, AnyFlippedBitOfAProgramsBytes_ChangesTheHash) {
  absl::btree_set<std::string> hashes = {RunScript({}).hash.ToString()};
  constexpr std::pair<const char*, std::string Script::*> kFields[] = {
      {"message", &Script::message}, {"pieces", &Script::pieces},
      {"file", &Script::file},       {"request", &Script::request},
      {"reply", &Script::reply},     {"note", &Script::note},
      {"stored", &Script::stored},
  };
  for (const auto& [name, field] : kFields) {
    const size_t bits = (Script().*field).size() * 8;
    for (size_t bit = 0; bit < bits; ++bit) {
      Script script;
      std::string& bytes = script.*field;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      EXPECT_TRUE(hashes.insert(RunScript(script).hash.ToString()).second)
          << name << " bit " << bit;
    }
  }
}

// The hash has the bytes that a disk returns, not only the bytes written to it.
TEST(HashCoverage, AnyFlippedBitOfWhatIsRead_ChangesTheHash) {
  absl::btree_set<std::string> hashes = {RunScript({}).hash.ToString()};
  for (size_t bit = 0; bit < Script().stored.size() * 8; ++bit) {
    EXPECT_TRUE(hashes.insert(RunScript({}, bit).hash.ToString()).second)
        << bit;
  }
}

TEST(HashCoverage, AnyFlippedBitOfAnEvent_ChangesTheHash) {
  const ScriptResult outcome = RunScript({});
  const auto expect_differs = [&](size_t i, int bit, const TraceRecord& other) {
    std::vector<TraceRecord> trace = outcome.trace;
    trace[i] = other;
    const Hash128 hash = HashOf(trace);
    ASSERT_NE(hash.low, outcome.hash.low) << other.ToString() << " " << bit;
    ASSERT_NE(hash.high, outcome.hash.high) << other.ToString() << " " << bit;
  };
  for (size_t i = 0; i < outcome.trace.size(); ++i) {
    const TraceRecord& record = outcome.trace[i];
    for (int bit = 0; bit < 64; ++bit) {
      TraceRecord other = record;
      other.payload ^= uint64_t{1} << bit;
      expect_differs(i, bit, other);
      other = record;
      other.time = SimTime(static_cast<int64_t>(
          static_cast<uint64_t>(record.time.ns()) ^ uint64_t{1} << bit));
      expect_differs(i, bit, other);
      if (bit >= 32) continue;
      other = record;
      other.machine = MachineId(record.machine.value() ^ uint32_t{1} << bit);
      expect_differs(i, bit, other);
      if (bit >= 8) continue;
      other = record;
      other.kind =
          static_cast<TraceKind>(static_cast<uint8_t>(record.kind) ^ 1 << bit);
      expect_differs(i, bit, other);
    }
  }
}

}  // namespace
}  // namespace quorate::sim
