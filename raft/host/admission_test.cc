// Stores that come into a cluster later: the messages, the decision of the node
// that is asked, and the start of the one that asks.
#include "raft/host/admission.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "env/changed_env.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

using testing::kGroup;
using Kind = AdmissionAnswer::Kind;

TEST(AdmissionMessage, OtherBytes_AreRefused) {
  const Buffer request =
      EncodeAdmissionRequest({.address = "a:1", .token = "secret"});
  const auto read = DecodeAdmissionRequest(request);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->address, "a:1");
  EXPECT_EQ(read->token, "secret");
  const Buffer answer = EncodeAdmissionAnswer(
      {.kind = Kind::kAdmitted, .cluster = ClusterId(7), .record = "r"});
  ASSERT_TRUE(DecodeAdmissionAnswer(answer).ok());
  EXPECT_EQ(DecodeAdmissionAnswer(answer)->cluster, ClusterId(7));
  for (const Buffer& whole : {request, answer}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_FALSE(DecodeAdmissionRequest(whole.Slice(0, i)).ok());
      EXPECT_FALSE(DecodeAdmissionAnswer(whole.Slice(0, i)).ok());
      std::string flipped(whole.view());
      flipped[i] = static_cast<char>(flipped[i] ^ 1);
      EXPECT_FALSE(DecodeAdmissionRequest(Buffer::Copy(flipped)).ok());
      EXPECT_FALSE(DecodeAdmissionAnswer(Buffer::Copy(flipped)).ok());
    }
  }
  // One message is not taken for the other.
  EXPECT_FALSE(DecodeAdmissionRequest(answer).ok());
  EXPECT_FALSE(DecodeAdmissionAnswer(request).ok());
  // An admission without a record, and a refusal with one.
  EXPECT_FALSE(
      DecodeAdmissionAnswer(EncodeAdmissionAnswer({.kind = Kind::kAdmitted,
                                                   .cluster = ClusterId(7)}))
          .ok());
  EXPECT_FALSE(DecodeAdmissionAnswer(
                   EncodeAdmissionAnswer({.kind = Kind::kLater, .record = "r"}))
                   .ok());
}

// Passes calls for admission to the receiver that listens at the address.
class CallingTransport final : public env::Transport, env::Pending::Source {
 public:
  using Receivers = std::map<std::string, Receiver*>;

  CallingTransport(env::Env& env, Receivers* receivers)
      : env_(env), receivers_(*receivers) {}
  ~CallingTransport() { receivers_.erase(address_); }

  absl::Status Start(const env::TransportIdentity& identity,
                     const std::string& address,
                     std::vector<env::PeerAddress> peers,
                     Receiver* receiver) override {
    receivers_[address_ = address] = receiver;
    return env_.transport.Start(identity, address, std::move(peers), receiver);
  }
  void Stop() override {
    receivers_.erase(address_);
    env_.transport.Stop();
  }
  void SetPeers(std::vector<env::PeerAddress> peers) override {
    env_.transport.SetPeers(std::move(peers));
  }
  void Send(NodeId to, env::Lane lane,
            absl::Span<const Buffer> pieces) override {
    env_.transport.Send(to, lane, pieces);
  }
  bool Congested(NodeId to, env::Lane lane) const override {
    return env_.transport.Congested(to, lane);
  }
  env::LinkState link(NodeId peer) const override {
    return env_.transport.link(peer);
  }
  env::Pending AskForAdmission(const env::TransportIdentity& self,
                               const std::string& address, Buffer request,
                               AdmissionAnswered answered) override {
    EXPECT_EQ(self.cluster, ClusterId());
    answered_ = std::move(answered);
    call_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(5),
                         [this, self, address, request = std::move(request)] {
                           const auto found = receivers_.find(address);
                           const Buffer answer =
                               found == receivers_.end()
                                   ? Buffer()
                                   : found->second->OnAdmissionRequest(
                                         self.node, self.incarnation, request);
                           AdmissionAnswered done = std::move(answered_);
                           if (answer.empty())
                             return done(absl::UnavailableError("no answer"));
                           done(answer);
                         });
    return env::Pending(this, ++last_call_);
  }

 private:
  void Cancel(uint64_t id) override {
    if (id == last_call_) call_.Cancel();
  }

  env::Env& env_;
  Receivers& receivers_;
  std::string address_;
  AdmissionAnswered answered_;
  env::Pending call_;
  uint64_t last_call_ = 0;
};

// A fourth machine comes to three founders.
class AdmissionTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kLate = 4;

  struct Program {
    Program(env::Env& world, CallingTransport::Receivers* receivers,
            HostOptions options)
        : transport(world, receivers),
          env(env::WithTransport(world, transport)),
          journal(env, std::move(options), Level(1)) {}
    CallingTransport transport;
    env::Env env;
    testing::JournalProgram journal;
  };

  void StartNode(uint32_t n, HostOptions options) {
    cluster_.world_.Start(
        cluster_.machines_[n - 1], [this, n, options](env::Env& env) {
          auto program = std::make_shared<Program>(env, &receivers_, options);
          cluster_.programs_[n - 1] = &program->journal;
          return program;
        });
  }
  void StartFounders() {
    for (uint32_t n = 1; n <= 3; ++n) {
      HostOptions options = cluster_.OptionsOf(n);
      options.admit = [this](const JoinRequest& request) {
        requests_.push_back(request);
        return decision_;
      };
      StartNode(n, options);
    }
  }
  // The options of the late node. It knows no plan, and no cluster.
  HostOptions LateOptions() {
    HostOptions options = cluster_.OptionsOf(kLate);
    options.cluster = ClusterId();
    options.bootstrap = false;
    options.plan = {};
    options.join.emplace();
    for (uint32_t n = 1; n <= 3; ++n) {
      options.join->seeds.push_back(cluster_.Address(n));
    }
    options.join->token = "let me in";
    return options;
  }
  Host& late() { return cluster_.node(kLate)->host; }
  const absl::Status& AwaitLate() {
    cluster_.AwaitStart(kLate);
    return cluster_.node(kLate)->started;
  }
  bool LateRuns() {
    const absl::Status& started = AwaitLate();
    EXPECT_EQ(started, absl::OkStatus());
    return started.ok();
  }
  // The late node gets a replica of the group that learns.
  void Learn() {
    std::optional<absl::StatusOr<ReplicaId>> id;
    late().PrepareReplica(kGroup,
                          [&](absl::StatusOr<ReplicaId> got) { id = got; });
    ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return id.has_value(); }));
    ASSERT_TRUE(id->ok()) << id->status();
    Host& leader = cluster_.node(cluster_.leader())->host;
    Configuration target = leader.core(kGroup)->configuration();
    std::optional<absl::Status> joined;
    late().JoinReplica(kGroup, **id, target,
                       [&](absl::Status status) { joined = status; });
    ASSERT_TRUE(
        cluster_.world_.RunUntilTrue([&] { return joined.has_value(); }));
    ASSERT_EQ(*joined, absl::OkStatus());
    target.learners.push_back(
        {**id, NodeId(kLate), late().identity().incarnation});
    SortMembers(&target.learners);
    leader.ChangeConfiguration(kGroup,
                               leader.core(kGroup)->configuration_index(),
                               target, [](const ProposeResult&) {});
  }
  bool LateHas(size_t lines) {
    return cluster_.world_.RunUntilTrue([&] {
      testing::JournalProgram* const program = cluster_.node(kLate);
      return program != nullptr && program->journal() != nullptr &&
             program->journal()->lines().size() == lines;
    });
  }

  CallingTransport::Receivers receivers_;  // Outlives the programs.
  testing::JournalCluster cluster_{11, 0, {}, kLate};
  absl::Status decision_;
  std::vector<JoinRequest> requests_;
};

TEST_F(AdmissionTest, NewStore_ComesIntoTheClusterAndHoldsAReplica) {
  StartFounders();
  ASSERT_EQ(cluster_.Propose("x").outcome, Outcome::kDone);
  StartNode(kLate, LateOptions());
  ASSERT_TRUE(LateRuns());
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].node, NodeId(kLate));
  EXPECT_EQ(requests_[0].store, late().identity().incarnation);
  EXPECT_EQ(requests_[0].address, cluster_.Address(kLate));
  EXPECT_EQ(requests_[0].token, "let me in");
  EXPECT_EQ(late().identity().cluster, testing::kCluster);
  EXPECT_EQ(late().hash_key(), cluster_.node(1)->host.hash_key());
  EXPECT_TRUE(late().groups().empty());
  ASSERT_NO_FATAL_FAILURE(Learn());
  EXPECT_TRUE(LateHas(1));
  // The store belongs to the cluster for good, and asks no more.
  cluster_.Crash(kLate, sim::CrashKind::kMachine);
  cluster_.Restart(kLate);
  ASSERT_TRUE(LateRuns());
  EXPECT_EQ(requests_.size(), 1u);
  ASSERT_EQ(cluster_.Propose("y").outcome, Outcome::kDone);
  EXPECT_TRUE(LateHas(2));
}

TEST_F(AdmissionTest, NewStore_AsksUntilTheClusterIsThereAndAdmitsIt) {
  StartNode(kLate, LateOptions());
  cluster_.world_.RunFor(Seconds(5));
  EXPECT_TRUE(absl::IsUnknown(cluster_.node(kLate)->started));
  decision_ = absl::UnavailableError("not yet");
  StartFounders();
  ASSERT_EQ(cluster_.Propose("x").outcome, Outcome::kDone);
  cluster_.world_.RunFor(Seconds(5));
  EXPECT_TRUE(absl::IsUnknown(cluster_.node(kLate)->started));
  EXPECT_GT(requests_.size(), 2u);
  decision_ = absl::OkStatus();
  EXPECT_TRUE(LateRuns());
  // All requests were of the same store.
  EXPECT_EQ(requests_.front().store, requests_.back().store);
}

TEST_F(AdmissionTest, RefusedStore_SaysWhy) {
  StartFounders();
  ASSERT_TRUE(cluster_.WaitForLeader());
  decision_ = absl::PermissionDeniedError("the token is not known");
  StartNode(kLate, LateOptions());
  const absl::Status& started = AwaitLate();
  EXPECT_TRUE(absl::IsFailedPrecondition(started)) << started;
  EXPECT_TRUE(absl::StrContains(started.message(), "the token is not known"))
      << started;
}

TEST_F(AdmissionTest, StoreThatKnowsAnotherCluster_IsNotOfThisOne) {
  StartFounders();
  ASSERT_TRUE(cluster_.WaitForLeader());
  HostOptions options = LateOptions();
  options.cluster = ClusterId(5);
  StartNode(kLate, options);
  EXPECT_TRUE(
      absl::StrContains(AwaitLate().message(), "configured for cluster 5"))
      << AwaitLate();
}

// Without an admission, an empty directory of a known node is refused.
TEST_F(AdmissionTest, WipedNode_ComesBackByAdmissionAlone) {
  StartFounders();
  ASSERT_EQ(cluster_.Propose("x").outcome, Outcome::kDone);
  StartNode(kLate, LateOptions());
  ASSERT_TRUE(LateRuns());
  ASSERT_NO_FATAL_FAILURE(Learn());
  ASSERT_TRUE(LateHas(1));
  const StoreIncarnation before = late().identity().incarnation;
  cluster_.Crash(kLate, sim::CrashKind::kMachine);
  cluster_.world_.EraseDisk(cluster_.machines_[kLate - 1]);
  HostOptions without = LateOptions();
  without.join.reset();
  StartNode(kLate, without);
  EXPECT_TRUE(absl::IsNotFound(AwaitLate())) << AwaitLate();
  cluster_.Crash(kLate, sim::CrashKind::kMachine);
  StartNode(kLate, LateOptions());
  ASSERT_TRUE(LateRuns());
  const StoreIncarnation after = late().identity().incarnation;
  EXPECT_NE(after, before);
  EXPECT_TRUE(late().groups().empty());
  ASSERT_NO_FATAL_FAILURE(Learn());
  EXPECT_TRUE(LateHas(1));
  // The node has two members now.
  const Host& leader = cluster_.node(cluster_.leader())->host;
  ASSERT_EQ(leader.core(kGroup)->configuration().learners.size(), 2u);
  EXPECT_FALSE(leader.RefusesStore(kGroup, NodeId(kLate), after));
  EXPECT_FALSE(leader.RefusesStore(kGroup, NodeId(kLate), before));
  EXPECT_TRUE(leader.RefusesStore(kGroup, NodeId(kLate), StoreIncarnation(7)));
}

TEST_F(AdmissionTest, CrashAtEachDiskOperation_TheStoreJoinsAtLast) {
  StartFounders();
  ASSERT_TRUE(cluster_.WaitForLeader());
  for (uint64_t nth = 1; nth <= 30; ++nth) {
    for (const auto kind :
         {sim::CrashKind::kProcess, sim::CrashKind::kMachine}) {
      SCOPED_TRACE(absl::StrCat("operation ", nth));
      StartNode(kLate, LateOptions());
      const sim::MachineId machine = cluster_.machines_[kLate - 1];
      cluster_.world_.CrashAtDiskOperation(machine, nth, kind);
      cluster_.world_.RunFor(Seconds(3));
      cluster_.world_.CrashAtDiskOperation(machine, 0, kind);
      if (cluster_.node(kLate) == nullptr) cluster_.Restart(kLate);
      ASSERT_TRUE(LateRuns());
      cluster_.Crash(kLate, kind);
      cluster_.world_.EraseDisk(machine);
    }
  }
}

TEST_F(AdmissionTest, NodeWithoutAHook_AdmitsNoStore) {
  for (uint32_t n = 1; n <= 3; ++n) StartNode(n, cluster_.OptionsOf(n));
  ASSERT_TRUE(cluster_.WaitForLeader());
  StartNode(kLate, LateOptions());
  EXPECT_TRUE(absl::StrContains(AwaitLate().message(), "to admit no node"))
      << AwaitLate();
}

TEST_F(AdmissionTest, WrongOptions_AreRefused) {
  HostOptions options = LateOptions();
  options.bootstrap = true;
  StartNode(kLate, options);
  EXPECT_TRUE(absl::IsInvalidArgument(AwaitLate())) << AwaitLate();
}

}  // namespace
}  // namespace quorate::raft
