// Three hosts of one group over real files and loopback sockets, on one loop.
// The device of one host hangs for five seconds in a durable write. The other
// hosts must not notice. Or the sync of a large snapshot takes that long on all
// hosts, and no log may wait for it.
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/disk/file_disk.h"
#include "net/streams/sockets.h"
#include "net/testing/testing.h"
#include "raft/host/host.h"
#include "raft/transport/transport.h"

namespace {

// The hanging device: syncs of a file whose path begins with
// `g_stalled_directory` and contains `g_stalled_name` do not return before
// `g_stalled_until_ns`.
std::string g_stalled_directory;  // NOLINT: set while no disk thread runs.
std::string g_stalled_name;       // NOLINT
std::atomic<int64_t> g_stalled_until_ns = 0;
std::atomic<int> g_stalled_calls = 0;

void HangIfStalled(int fd) {
  const int64_t until = g_stalled_until_ns.load();
  if (until == 0) return;
  char path[4096];
  const ssize_t size =
      readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), path, sizeof(path));
  if (size <= 0) return;
  const std::string text(path, size);
  if (!text.starts_with(g_stalled_directory) ||
      text.find(g_stalled_name) == std::string::npos) {
    return;
  }
  g_stalled_calls.fetch_add(1);
  while (quorate::net::Clock::ReadMono().ns() < g_stalled_until_ns.load()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

// These functions replace those of the C library in this program.
extern "C" ssize_t pwritev2(int fd, const iovec* pieces, int count,
                            off_t offset, int flags) {
  if ((flags & RWF_DSYNC) != 0) HangIfStalled(fd);
  return syscall(SYS_pwritev2, fd, pieces, count, offset, 0L, flags);
}

extern "C" int fdatasync(int fd) {
  HangIfStalled(fd);
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

namespace quorate::net {
namespace {

constexpr GroupId kGroup(1);
constexpr int kNodes = 3;

class Counter final : public raft::StateMachine {
 public:
  Buffer Apply(const raft::Entry&, bool) override {
    ++applied;
    return Buffer();
  }
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot() override {
    return nullptr;
  }
  std::unique_ptr<raft::SnapshotWriter> BeginRestore(
      const raft::SnapshotDescriptor&) override {
    return nullptr;
  }
  uint64_t Digest() const override { return applied; }
  uint64_t applied = 0;
};

class NoBuggify final : public env::Buggify {
 public:
  bool Fire(const Site&) override { return false; }
};

class NoProcess final : public env::Process {
 public:
  env::CpuTime ReadCpuTime() override { return {}; }
  env::TurnTimes ReadTurnTimes() override { return {}; }
  void ResetTurnTimes() override {}
};

// One process, without its loop.
class Node final : raft::Host::Observer {
 public:
  Node(EventLoop& loop, const std::string& directory,
       const raft::HostOptions& options)
      : disk_(*FileDisk::OpenDirectory(loop, directory)),
        sockets_(loop, tracer_),
        transport_(loop, sockets_, tracer_, Random(options.node.value())),
        env_{.loop = loop,
             .disk = *disk_,
             .transport = transport_,
             .streams = sockets_,
             .tracer = tracer_,
             .buggify = buggify_,
             .process = process_,
             .random = Random(options.node.value()),
             .secrets = Random(100 + options.node.value())},
        host_(
            env_, options,
            [](GroupId, const raft::Configuration&) {
              return std::make_unique<Counter>();
            },
            this) {
    host_.Start([this](absl::Status status) { started = status; });
  }

  raft::Host& host() { return host_; }
  FileDisk& disk() { return *disk_; }
  bool leads() const {
    const raft::Core* core = host_.core(kGroup);
    return core != nullptr && core->role() == raft::RoleKind::kLeader;
  }
  raft::Term term() const { return host_.core(kGroup)->term(); }
  uint64_t applied() {
    return static_cast<Counter*>(host_.state_machine(kGroup))->applied;
  }

  absl::Status started = absl::UnavailableError("not yet");

 private:
  void OnEvent(GroupId, const raft::Event&) override {}
  void OnApplied(GroupId, const raft::Entry&) override {}
  void OnRestored(GroupId, const raft::SnapshotDescriptor&) override {}
  void OnStopped(const absl::Status& why) override { ADD_FAILURE() << why; }

  RecordingTracer tracer_;
  NoBuggify buggify_;
  NoProcess process_;
  std::unique_ptr<FileDisk> disk_;
  Sockets sockets_;
  raft::StreamTransport transport_;
  env::Env env_;
  raft::Host host_;
};

class StallTest : public testing::Test {
 protected:
  StallTest() {
    std::string pattern =
        std::filesystem::path(testing::TempDir()) / "stall.XXXXXX";
    root_ = mkdtemp(pattern.data());
    const std::vector<std::string> addresses = FreeAddresses();
    raft::HostOptions options;
    options.cluster = ClusterId(5);
    options.bootstrap = true;
    raft::GroupPlan group{.group = kGroup};
    for (uint32_t n = 1; n <= kNodes; ++n) group.voters.push_back(NodeId(n));
    options.plan.groups = {group};
    options.log.segment_bytes = 64 << 10;
    for (uint32_t n = 1; n <= kNodes; ++n) {
      options.node = NodeId(n);
      options.listen_address = addresses[n - 1];
      options.peers.clear();
      for (uint32_t peer = 1; peer <= kNodes; ++peer) {
        if (peer != n) {
          options.peers.push_back({NodeId(peer), addresses[peer - 1]});
        }
      }
      nodes_.push_back(std::make_unique<Node>(loop_, Directory(n), options));
    }
    RunUntil(loop_, [this] { return Leader() != 0; });
  }
  ~StallTest() override {
    nodes_.clear();
    std::filesystem::remove_all(root_);
  }

  std::vector<std::string> FreeAddresses() {
    RecordingTracer tracer;
    Sockets sockets(loop_, tracer);
    std::vector<std::unique_ptr<env::Listener>> held;
    std::vector<std::string> addresses;
    for (int i = 0; i < kNodes; ++i) {
      held.push_back(*sockets.Listen("127.0.0.1:0",
                                     [](std::unique_ptr<env::Connection>) {}));
      addresses.push_back(held.back()->address());
    }
    return addresses;
  }
  std::string Directory(uint32_t n) const {
    return absl::StrCat(root_, "/node-", n);
  }
  // Returns the leader of the highest term; 0 if there is none.
  uint32_t Leader() {
    uint32_t leader = 0;
    raft::Term term;
    for (uint32_t n = 1; n <= kNodes; ++n) {
      Node& node = *nodes_[n - 1];
      if (node.leads() && node.term() >= term) {
        leader = n;
        term = node.term();
      }
    }
    return leader;
  }
  // Keeps one proposal in flight, at the current leader.
  void KeepProposing() {
    if (proposing_ || Leader() == 0) return;
    proposing_ = true;
    nodes_[Leader() - 1]->host().Propose(
        kGroup, Buffer::Copy(entry_),
        [this](const raft::ProposeResult& result) {
          proposing_ = false;
          if (result.outcome == Outcome::kDone) ++done_;
        });
  }
  // Stalls syncs of files under `directory` whose paths contain `name`.
  void Stall(const std::string& directory, const std::string& name,
             Duration duration) {
    g_stalled_directory = directory;
    g_stalled_name = name;
    g_stalled_until_ns = (Clock::ReadMono() + duration).ns();
  }

  void CheckThatTheOthersGoOnWhile(uint32_t n) {
    RunUntil(loop_, [this] {
      KeepProposing();
      return done_ >= 10;
    });
    const int done_before = done_;
    g_stalled_calls = 0;
    Stall(Directory(n), "", Seconds(5));
    const MonoTime end = Clock::ReadMono() + Milliseconds(4900);
    int turns = 0;
    int turns_without_leader = 0;
    while (Clock::ReadMono() < end) {
      KeepProposing();
      loop_.RunTurn(Milliseconds(5));
      ++turns;
      if (Leader() == 0) ++turns_without_leader;
    }
    EXPECT_GT(g_stalled_calls.load(), 0) << "nothing was stalled";
    // If a sync ran on the loop's thread, the loop would have run one turn
    // only.
    EXPECT_GT(turns, 100);
    EXPECT_LT(turns_without_leader, turns / 2) << "the group lost its leader";
    EXPECT_GT(done_, done_before + 10) << "writes waited for the device";
    // The stalled host catches up.
    g_stalled_until_ns = 0;
    RunUntil(loop_, [this] {
      if (proposing_) return false;
      return nodes_[0]->applied() == nodes_[1]->applied() &&
             nodes_[1]->applied() == nodes_[2]->applied() &&
             nodes_[0]->applied() >= static_cast<uint64_t>(done_);
    });
  }

  EventLoop loop_;
  std::string root_;
  std::vector<std::unique_ptr<Node>> nodes_;
  bool proposing_ = false;
  int done_ = 0;
  std::string entry_ = "x";
};

TEST_F(StallTest, LeadersDeviceHangs_LeadershipAndWritesContinue) {
  CheckThatTheOthersGoOnWhile(Leader());
}

TEST_F(StallTest, FollowersDeviceHangs_LeadershipAndWritesContinue) {
  const uint32_t leader = Leader();
  const uint64_t term = nodes_[leader - 1]->term().value();
  CheckThatTheOthersGoOnWhile(leader % kNodes + 1);
  EXPECT_EQ(Leader(), leader);
  EXPECT_EQ(nodes_[leader - 1]->term().value(), term);
}

// Write-back of gigabytes takes minutes on a slow device.
TEST_F(StallTest, SyncsOfSnapshotsHang_LogsBeginSegmentsAndWritesContinue) {
  entry_ = std::string(4000, 'x');
  RunUntil(loop_, [this] {
    KeepProposing();
    return done_ >= 10;
  });
  Stall(root_, "/snapshot", Seconds(600));
  std::vector<std::unique_ptr<env::File>> files(kNodes);
  std::vector<env::Pending> pending(kNodes);
  int synced = 0;
  for (int i = 0; i < kNodes; ++i) {
    pending[i] = nodes_[i]->disk().Open(
        "snapshot", env::Disk::OpenMode::kCreate,
        [&, i](absl::StatusOr<std::unique_ptr<env::File>> file) {
          ASSERT_TRUE(file.ok()) << file.status();
          files[i] = *std::move(file);
        });
    RunUntil(loop_, [&] { return files[i] != nullptr; });
  }
  g_stalled_calls = 0;
  for (int i = 0; i < kNodes; ++i) {
    pending[i] = files[i]->Sync([&](absl::Status) { ++synced; });
  }
  RunUntil(loop_, [] { return g_stalled_calls.load() == kNodes; });
  // Six segments of entries.
  const int done_before = done_;
  RunUntil(loop_, [&] {
    KeepProposing();
    return done_ >= done_before + 100;
  });
  EXPECT_EQ(synced, 0);
  g_stalled_until_ns = 0;
  RunUntil(loop_, [&] { return synced == kNodes && !proposing_; });
}

}  // namespace
}  // namespace quorate::net
