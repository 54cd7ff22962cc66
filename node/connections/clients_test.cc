// The client table between streams of every kind and protocols with large
// outputs. In a random history of requests, answers and reads every reply must
// arrive, in order, within the bounds.
#include "node/connections/clients.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "sim/testing/test_env.h"

namespace quorate::node {
namespace {

constexpr size_t kMi = size_t{1} << 20;
constexpr size_t kPipelineMax = 64;

// Turns as in env/loop.h, one at a time.
class HandLoop final : public env::Loop, private env::Pending::Source {
 public:
  Now ReadClock() override { return {mono_, {}}; }
  env::Pending At(MonoTime deadline, env::Callback callback) override {
    timers_.emplace(std::pair(std::max(deadline, mono_), ++last_id_),
                    std::move(callback));
    return env::Pending(this, last_id_);
  }
  env::Pending Defer(env::Callback callback) override {
    deferred_.emplace_back(++last_id_, std::move(callback));
    return env::Pending(this, last_id_);
  }

  // Runs one turn with `input` as its step 1.
  void RunTurn(const std::function<void()>& input) {
    const uint64_t before = last_id_;
    input();
    while (!timers_.empty()) {
      const auto first = timers_.begin();
      // A timer that was set in this turn waits for the next.
      if (first->first.first > mono_ || first->first.second > before) break;
      env::Callback callback = std::move(first->second);
      timers_.erase(first);
      callback();
    }
    while (!deferred_.empty()) {
      env::Callback callback = std::move(deferred_.front().second);
      deferred_.pop_front();
      callback();
    }
    Pass(Milliseconds(1));
  }
  void Pass(Duration time) { mono_ = mono_ + time; }

 private:
  void Cancel(uint64_t id) override {
    std::erase_if(timers_, [&](auto& t) { return t.first.second == id; });
    std::erase_if(deferred_, [&](auto& d) { return d.first == id; });
  }

  MonoTime mono_ = MonoTime(1'000'000);
  uint64_t last_id_ = 0;
  std::map<std::pair<MonoTime, uint64_t>, env::Callback> timers_;
  std::deque<std::pair<uint64_t, env::Callback>> deferred_;
};

// The share of its bytes that a stream takes at the end of a turn.
enum class Taking { kEverything, kOneByte, kSome, kNothing };

struct Wire {
  Taking taking = Taking::kEverything;
  env::Connection::Observer* observer = nullptr;
  std::deque<Buffer> unsent;
  size_t unsent_bytes = 0;
  bool was_unsent = false;
  bool paused = false;
  bool open = true;
  std::string input;  // Bytes that the table has not read yet.
  std::string output;
};

// The contract of env/byte_streams.h, controlled by the test.
class HandStream final : public env::Connection {
 public:
  explicit HandStream(Wire* wire) : wire_(wire) {}
  ~HandStream() override { wire_->open = false; }
  void SetObserver(Observer* observer) override { wire_->observer = observer; }
  void Write(Buffer bytes) override {
    wire_->unsent_bytes += bytes.size();
    wire_->unsent.push_back(std::move(bytes));
  }
  size_t unsent_bytes() const override { return wire_->unsent_bytes; }
  uint64_t taken_bytes() const override { return wire_->output.size(); }
  void End() override {}
  void PauseReads() override { wire_->paused = true; }
  void ResumeReads() override { wire_->paused = false; }
  std::string peer_address() const override { return "test:1"; }

 private:
  Wire* const wire_;
};

void Take(Wire* wire, size_t most) {
  while (most > 0 && !wire->unsent.empty()) {
    Buffer& front = wire->unsent.front();
    const size_t size = std::min(most, front.size());
    wire->output.append(front.view().substr(0, size));
    wire->unsent_bytes -= size;
    most -= size;
    front = front.Suffix(size);
    if (front.empty()) wire->unsent.pop_front();
  }
}

size_t Most(Taking taking) {
  switch (taking) {
    case Taking::kEverything:
      return SIZE_MAX;
    case Taking::kOneByte:
      return 1;
    case Taking::kSome:
      return 300'000;
    case Taking::kNothing:
      return 0;
  }
  return 0;
}

// Each request is one byte. 'i' is answered at once, 'd' when the test decides,
// 'r' also when the test decides, but only with room for it.
class Script final : public Protocol {
 public:
  Script(ClientConnection& client, size_t reply_bytes)
      : client_(client), reply_bytes_(reply_bytes) {}

  void OnBytes(std::string_view bytes) override {
    input_ += bytes;
    Process();
  }
  void OnEnd() override {}
  void Resume() override {
    std::vector<uint64_t> parked;
    parked.swap(parked_);
    for (const uint64_t token : parked) Answer(token);
    Process();
  }
  size_t pending() const override { return pending_.size(); }
  size_t partial_bytes() const override { return 0; }
  size_t input_bytes() const override { return input_.size(); }
  void DropInput() override { input_.clear(); }
  void Refuse(std::string_view) override { client_.CloseAfterFlush(); }
  bool stopped() const override { return stopped_ || !parked_.empty(); }
  bool awaits_answer() const override {
    return !pending_.empty() && !IsParked(front_);
  }
  void OnClosed() override {}

  // Answers the outstanding request number `which`.
  void AnswerOne(size_t which) {
    std::vector<uint64_t> due;
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (!pending_[i].ready && !IsParked(front_ + i))
        due.push_back(front_ + i);
    }
    if (!due.empty()) Answer(due[which % due.size()]);
  }
  size_t due() const { return pending_.size() - parked_.size(); }
  static std::string Reply(uint64_t number, size_t size) {
    std::string reply = std::to_string(number) + ":";
    reply.resize(std::max(size, reply.size() + 1), '.');
    reply.back() = '\n';
    return reply;
  }

 private:
  struct Pending {
    char kind;
    bool ready = false;
    size_t held = 0;
    std::string reply;
  };

  bool IsParked(uint64_t token) const {
    return std::count(parked_.begin(), parked_.end(), token) > 0;
  }
  bool Stopped() {
    return client_.closing() || !parked_.empty() ||
           pending_.size() >= kPipelineMax ||
           !client_.RoomFor(0, pending_.empty());
  }
  void Process() {
    while (!input_.empty() && !Stopped()) {
      const char kind = input_.front();
      input_.erase(0, 1);
      pending_.push_back({.kind = kind});
      if (kind == 'i') Make(front_ + pending_.size() - 1);
    }
    stopped_ = Stopped();
    stopped_ ? client_.PauseReads() : client_.ResumeReads();
  }
  void Answer(uint64_t token) {
    const bool waits =
        std::any_of(parked_.begin(), parked_.end(),
                    [&](uint64_t parked) { return parked < token; });
    if (pending_[token - front_].kind == 'r' &&
        (waits || !client_.RoomFor(reply_bytes_, token == front_))) {
      parked_.push_back(token);
      return;
    }
    Make(token);
  }
  void Make(uint64_t token) {
    Pending& pending = pending_[token - front_];
    pending.reply = Reply(token, reply_bytes_);
    pending.ready = true;
    if (token != front_) {
      pending.held = pending.reply.size();
      client_.Hold(pending.held);
    }
    while (!pending_.empty() && pending_.front().ready) {
      client_.out().text() += pending_.front().reply;
      client_.Unhold(pending_.front().held);
      pending_.pop_front();
      ++front_;
    }
    client_.WantFlush();
    if (stopped_ || !parked_.empty()) client_.WantResume();
  }

  ClientConnection& client_;
  const size_t reply_bytes_;
  std::string input_;
  std::deque<Pending> pending_;
  uint64_t front_ = 0;
  std::vector<uint64_t> parked_;
  bool stopped_ = false;
};

class Table {
 public:
  explicit Table(const Config& config)
      : config_(config),
        env_{.loop = loop_,
             .disk = world_.env().disk,
             .transport = world_.env().transport,
             .streams = world_.env().streams,
             .tracer = world_.env().tracer,
             .buggify = world_.env().buggify,
             .process = world_.env().process,
             .random = Random(1),
             .secrets = Random(2)},
        budget_(config.limits.output_total_bytes),
        input_(env_.loop, config.limits.query_total_bytes),
        work_(env_.loop, config.bounds.turn_work),
        clients_(env_, config_, metrics_, budget_, input_, work_) {}

  void Open(Taking taking, size_t reply_bytes) {
    connections_.push_back(std::make_unique<Connection>());
    Connection& c = *connections_.back();
    c.wire.taking = taking;
    c.reply_bytes = reply_bytes;
    Clients::MakeProtocol make = [&c](ClientConnection& client) {
      auto script = std::make_unique<Script>(client, c.reply_bytes);
      c.script = script.get();
      return script;
    };
    clients_.Accept(std::make_unique<HandStream>(&c.wire), make, "refused\n");
  }
  void Send(size_t which, std::string_view requests) {
    Connection& c = *connections_[which % connections_.size()];
    c.wire.input += requests;
    c.asked += requests.size();
  }
  void AnswerOne(size_t which, size_t request) {
    answers_.emplace_back(which % connections_.size(), request);
  }
  // In the next turn the table kills the connection.
  void Kill(size_t which) { kills_.push_back(which); }
  bool open(size_t which) const { return connections_[which]->wire.open; }
  const std::string& output(size_t which) const {
    return connections_[which]->wire.output;
  }
  size_t count() const { return clients_.count(); }
  // The number of connections after the kill, in its turn.
  size_t left() const { return left_; }
  void SetTaking(Taking taking) {
    for (auto& c : connections_) c->wire.taking = taking;
  }
  void SetTaking(size_t which, Taking taking) {
    connections_[which]->wire.taking = taking;
  }

  // One turn: input, then timers and deferred calls, then the streams take
  // their share.
  void RunTurn() {
    loop_.RunTurn([this] {
      for (auto& c : connections_) Drain(&c->wire);
      for (auto& c : connections_) Deliver(&c->wire);
      for (const auto& [which, request] : std::exchange(answers_, {})) {
        connections_[which]->script->AnswerOne(request);
      }
      for (const size_t which : std::exchange(kills_, {})) {
        clients_.Kill(*clients_.All()[which]);
        left_ = clients_.count();
        ASSERT_EQ(clients_.All().size(), left_);
      }
    });
    for (auto& c : connections_) {
      Take(&c->wire, Most(c->wire.taking));
      c->wire.was_unsent = c->wire.unsent_bytes > 0;
    }
    clients_.CheckInvariants();
    size_t held = 0;
    for (auto& c : connections_) {
      const size_t one = c->wire.unsent_bytes;
      ASSERT_LE(one, config_.bounds.output_buffer_bytes + kMi +
                         kPipelineMax * c->reply_bytes);
      held += one;
    }
    most_held_ = std::max(most_held_, held);
  }

  // Answers and reads everything. True if every reply came, in order.
  bool Finish() {
    SetTaking(Taking::kEverything);
    for (int turn = 0; turn < 20'000; ++turn) {
      bool done = true;
      for (size_t i = 0; i < connections_.size(); ++i) {
        if (connections_[i]->script->due() > 0) AnswerOne(i, 0);
        done = done && Whole(*connections_[i]);
      }
      if (done) return true;
      RunTurn();
      if (testing::Test::HasFatalFailure()) return false;
    }
    return false;
  }
  void Pass(Duration time) { loop_.Pass(time); }
  size_t most_held() const { return most_held_; }
  void ResetMostHeld() { most_held_ = 0; }
  size_t held_bytes() const { return budget_.used_bytes(); }
  size_t awaiting_room() const { return clients_.awaiting_room(); }
  // Each byte is read once, because outputs are long.
  size_t replies(size_t which) {
    Connection& c = *connections_[which];
    const std::string_view fresh =
        std::string_view(c.wire.output).substr(c.counted_bytes);
    c.replies +=
        static_cast<size_t>(std::count(fresh.begin(), fresh.end(), '\n'));
    c.counted_bytes = c.wire.output.size();
    return c.replies;
  }

 private:
  struct Connection {
    Wire wire;
    Script* script = nullptr;
    size_t reply_bytes = 0;
    size_t asked = 0;
    size_t checked = 0;  // Replies that were checked.
    size_t checked_bytes = 0;
    size_t replies = 0;
    size_t counted_bytes = 0;
  };

  static void Drain(Wire* wire) {
    if (!wire->open || !wire->was_unsent || wire->taking == Taking::kNothing) {
      return;
    }
    Take(wire, Most(wire->taking));
    if (wire->unsent_bytes > 0) return;
    wire->was_unsent = false;
    wire->observer->OnDrained();
  }
  static void Deliver(Wire* wire) {
    if (wire->paused || wire->input.empty()) return;
    const std::string bytes = std::exchange(wire->input, {});
    wire->observer->OnBytes(bytes);
  }
  static bool Whole(Connection& c) {
    while (c.checked < c.asked) {
      const std::string next = Script::Reply(c.checked, c.reply_bytes);
      if (c.wire.output.size() - c.checked_bytes < next.size()) return false;
      EXPECT_EQ(c.wire.output.compare(c.checked_bytes, next.size(), next), 0);
      c.checked_bytes += next.size();
      ++c.checked;
    }
    return true;
  }

  const Config config_;
  sim::TestEnv world_;
  HandLoop loop_;
  env::Env env_;
  Metrics metrics_;
  OutputBudget budget_;
  InputBudget input_;
  TurnWork work_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Clients clients_;
  std::vector<std::pair<size_t, size_t>> answers_;
  std::vector<size_t> kills_;
  size_t left_ = 0;
  size_t most_held_ = 0;
};

Config SmallLimits() {
  Config config;
  config.bounds.output_buffer_bytes = 2 * kMi;
  config.limits.output_total_bytes = 4 * kMi;
  return config;
}

RC_GTEST_PROP(Clients, AnyHistory_DeliversEveryReplyInOrder, ()) {
  Table table(SmallLimits());
  const size_t count = *rc::gen::inRange<size_t>(1, 5);
  for (size_t i = 0; i < count; ++i) {
    table.Open(*rc::gen::element(Taking::kEverything, Taking::kOneByte,
                                 Taking::kSome, Taking::kNothing),
               *rc::gen::element<size_t>(5, 1'100, 70'000, 400'000, 1'500'000));
  }
  const size_t steps = *rc::gen::inRange<size_t>(1, 40);
  for (size_t i = 0; i < steps; ++i) {
    const size_t which = *rc::gen::inRange<size_t>(0, count);
    if (*rc::gen::inRange(0, 3) == 0) {
      table.Send(which, std::string(*rc::gen::inRange<size_t>(1, 30),
                                    *rc::gen::element('i', 'd', 'r')));
    }
    for (int a = *rc::gen::inRange(0, 4); a > 0; --a) {
      table.AnswerOne(*rc::gen::inRange<size_t>(0, count),
                      *rc::gen::inRange<size_t>(0, 50));
    }
    table.RunTurn();
  }
  RC_ASSERT(table.Finish());
}

// Replies held behind a large one use up the budget that it waits for.
TEST(Clients_LargeReplyInFront, NeverWaitsForLaterReplies) {
  Table table(SmallLimits());
  for (size_t i = 0; i < 2; ++i) {
    table.Open(Taking::kEverything, 1'500'000);
    table.Send(i, "rddd");
  }
  table.RunTurn();
  // The last replies come first.
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < 2; ++i) table.AnswerOne(i, 3 - round);
    table.RunTurn();
  }
  EXPECT_TRUE(table.Finish());
}

// The stream takes all bytes at the end of the turn, so it never calls
// OnDrained.
TEST(Clients_StreamThatTakesEverything,
     MoreThanATurnsShare_GoesOnInTheNextTurn) {
  Table table(SmallLimits());
  table.Open(Taking::kEverything, 100'000);
  table.Send(0, std::string(60, 'i'));
  table.RunTurn();
  EXPECT_GE(table.replies(0), 10u);
  EXPECT_LT(table.replies(0), 12u);
  EXPECT_EQ(table.awaiting_room(), 1u);
  for (int i = 0; i < 20; ++i) table.RunTurn();
  EXPECT_EQ(table.replies(0), 60u);
  EXPECT_EQ(table.awaiting_room(), 0u);
}

TEST(Clients_StreamThatTakesNothing, HoldsTheFirstWindowAndOneReply) {
  Table table(SmallLimits());
  table.Open(Taking::kNothing, 300'000);
  table.Send(0, std::string(60, 'i'));
  for (int i = 0; i < 100; ++i) table.RunTurn();
  EXPECT_GT(table.most_held(), kMi - 300'000);
  EXPECT_LE(table.most_held(), kMi + 300'000);
  EXPECT_TRUE(table.Finish());
}

TEST(Clients_StreamThatHasTakenMuch, HoldsItsLimitAndOneReply) {
  Table table(SmallLimits());
  table.Open(Taking::kEverything, 300'000);
  table.Send(0, std::string(100, 'i'));
  while (table.replies(0) < 20) table.RunTurn();
  table.SetTaking(Taking::kNothing);
  for (int i = 0; i < 100; ++i) table.RunTurn();
  EXPECT_GT(table.most_held(), 2 * kMi - 300'000);
  EXPECT_LE(table.most_held(), 2 * kMi + 300'000);
  // After two slow seconds the peer has proven nothing.
  table.Pass(Seconds(2));
  table.RunTurn();
  table.SetTaking(Taking::kSome);
  for (int i = 0; i < 2; ++i) table.RunTurn();
  table.SetTaking(Taking::kNothing);
  table.ResetMostHeld();
  for (int i = 0; i < 100; ++i) table.RunTurn();
  EXPECT_LE(table.most_held(), kMi + 300'000);
  EXPECT_TRUE(table.Finish());
}

// The loop does other work between two large replies.
TEST(Clients_LargeReplies, ToManyConnections_AreMadeOneAfterAPause) {
  Table table((Config()));
  const size_t count = 8;
  for (size_t i = 0; i < count; ++i) {
    table.Open(Taking::kEverything, 5'000'000);
    table.Send(i, "r");
  }
  table.RunTurn();
  for (size_t i = 0; i < count; ++i) table.AnswerOne(i, 0);
  size_t replies = 0;
  size_t idle = 0;
  for (size_t turn = 0; turn < 12 * count; ++turn) {
    table.RunTurn();
    size_t now = 0;
    for (size_t i = 0; i < count; ++i) now += table.replies(i);
    EXPECT_LE(now, replies + 1);
    if (now == replies) ++idle;
    replies = now;
  }
  EXPECT_EQ(replies, count);
  // A turn takes a millisecond here, so a pause takes two.
  EXPECT_GE(idle, 2 * (count - 1));
  EXPECT_TRUE(table.Finish());
}

TEST(Clients_LargeReplies, ToOneBusyConnection_LeaveRoomForOthers) {
  Table table((Config()));
  const size_t count = 4;
  for (size_t i = 0; i < count; ++i) {
    table.Open(Taking::kEverything, 1'200'000);
    table.Send(i, "rrrrrrrr");
  }
  table.RunTurn();
  for (int turn = 0; turn < 400; ++turn) {
    for (size_t i = 0; i < count; ++i) table.AnswerOne(i, 0);
    table.RunTurn();
    size_t least = SIZE_MAX;
    size_t most = 0;
    for (size_t i = 0; i < count; ++i) {
      least = std::min(least, table.replies(i));
      most = std::max(most, table.replies(i));
    }
    ASSERT_LE(most, least + 2);
  }
  EXPECT_TRUE(table.Finish());
}

TEST(Clients_SmallReplies, ToManyConnections_ShareTheTurn) {
  Table table((Config()));
  const size_t count = 50;
  for (size_t i = 0; i < count; ++i) {
    table.Open(Taking::kNothing, 200'000);
    table.Send(i, std::string(20, 'i'));
  }
  table.RunTurn();
  // Four MiB, and one reply for each connection.
  EXPECT_LE(table.most_held(), 5 * kMi + count * 200'000);
  EXPECT_TRUE(table.Finish());
}

TEST(Clients_Budget, IsSharedAndOthersAreServedBeyondIt) {
  Table table(SmallLimits());
  for (int i = 0; i < 8; ++i) {
    table.Open(Taking::kNothing, 300'000);
    table.Send(i, std::string(60, 'i'));
  }
  table.Open(Taking::kEverything, 1'000);
  for (int i = 0; i < 100; ++i) table.RunTurn();
  // In the turn that reaches the limit, each connection may still make its
  // share.
  EXPECT_LE(table.most_held(), 4 * kMi + 8 * (kMi + 300'000));
  EXPECT_EQ(table.awaiting_room(), 8u);
  table.Send(8, std::string(500, 'i'));
  for (int i = 0; i < 10; ++i) table.RunTurn();
  EXPECT_EQ(table.replies(8), 500u);
  EXPECT_TRUE(table.Finish());
}

// A reply is due on the first connection. The second has replies that its peer
// does not take, and waits for room.
TEST(Clients_Kill, ConnectionsWithOutstandingReplies_AreClosedInTheSameTurn) {
  Table table(SmallLimits());
  for (int i = 0; i < 3; ++i) table.Open(Taking::kNothing, 300'000);
  table.Send(0, "dd");
  table.Send(1, std::string(60, 'i'));
  for (int i = 0; i < 10; ++i) table.RunTurn();
  EXPECT_EQ(table.awaiting_room(), 1u);
  for (const size_t left : {2u, 1u}) {
    table.Kill(0);
    table.RunTurn();
    EXPECT_EQ(table.left(), left);
    EXPECT_FALSE(table.open(2 - left));
    EXPECT_TRUE(table.open(2));
  }
  EXPECT_EQ(table.awaiting_room(), 0u);
  EXPECT_EQ(table.held_bytes(), 0u);
  // The answers come after the connection was closed.
  for (int i = 0; i < 2; ++i) table.AnswerOne(0, 0);
  for (int i = 0; i < 3; ++i) table.RunTurn();
  table.SetTaking(Taking::kEverything);
  table.Send(2, "i");
  table.RunTurn();
  EXPECT_EQ(table.replies(2), 1u);
}

// Closing a connection costs the kernel as much as a request.
TEST(Clients_Idle, ManyConnections_AreClosedOverSeveralTurns) {
  Config config;
  config.timeouts.idle = Seconds(1);
  Table table(config);
  constexpr size_t kOpen = 1000;
  for (size_t i = 0; i < kOpen; ++i) table.Open(Taking::kEverything, 5);
  table.RunTurn();
  ASSERT_EQ(table.count(), kOpen);
  table.Pass(Seconds(2));
  size_t before = kOpen;
  for (int turn = 0; turn < 5; ++turn) {
    table.RunTurn();
    EXPECT_LE(before - table.count(), 256u);
    before = table.count();
  }
  EXPECT_EQ(before, 0u);
}

TEST(Clients_Refused, AboveTheirBound_TheOldestIsClosedAtOnce) {
  Config config = SmallLimits();
  config.limits.connections = 1;
  config.bounds.refused_connections = 2;
  Table table(config);
  for (int i = 0; i < 3; ++i) table.Open(Taking::kEverything, 5);
  table.RunTurn();
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(table.open(i)) << i;
  for (int i = 0; i < 2; ++i) table.Open(Taking::kEverything, 5);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(table.open(i), i == 0 || i > 2) << i;
  }
  table.RunTurn();
  EXPECT_EQ(table.output(0), "");
  for (size_t i = 1; i < 5; ++i) EXPECT_EQ(table.output(i), "refused\n") << i;
}

// The refused connections are still open.
TEST(Clients_Refused, TakeNoRoomFromLaterConnections) {
  Config config = SmallLimits();
  config.limits.connections = 1;
  Table table(config);
  for (int i = 0; i < 5; ++i) table.Open(Taking::kEverything, 5);
  EXPECT_EQ(table.count(), 1u);
  table.RunTurn();
  table.Kill(0);
  table.RunTurn();
  table.Open(Taking::kEverything, 5);
  table.Send(5, "i");
  table.RunTurn();
  EXPECT_EQ(table.count(), 1u);
  EXPECT_TRUE(table.open(1));
  EXPECT_EQ(table.replies(5), 1u);
  EXPECT_EQ(table.output(5), "0:..\n");
}

// Two connections that do not read hold the whole budget except for the last
// quarter.
TEST(Clients_LastQuarterOfTheBudget,
     IsForConnectionsThatHaveShownThatTheyRead) {
  Table table(SmallLimits());
  for (int i = 0; i < 4; ++i) table.Open(Taking::kEverything, 2'000'000);
  table.Open(Taking::kEverything, 400);
  const auto ask = [&](size_t which) {
    table.Send(which, "r");
    table.RunTurn();
    table.AnswerOne(which, 0);
    for (int i = 0; i < 50; ++i) table.RunTurn();
  };
  ask(2);
  EXPECT_EQ(table.replies(2), 1u);
  for (size_t i = 0; i < 2; ++i) {
    table.SetTaking(i, Taking::kNothing);
    ask(i);
  }
  EXPECT_EQ(table.most_held(), 4'000'000u);
  // A connection that has read, a new one, and one with small replies.
  ask(2);
  ask(3);
  ask(4);
  EXPECT_EQ(table.replies(2), 2u);
  EXPECT_EQ(table.replies(3), 0u);
  EXPECT_EQ(table.replies(4), 1u);
  // A connection that has read before, but reads slowly now.
  table.SetTaking(2, Taking::kNothing);
  ask(2);
  while (table.replies(2) < 3) {
    table.Pass(Seconds(1));
    table.SetTaking(2, Taking::kSome);
    table.RunTurn();
    table.SetTaking(2, Taking::kNothing);
    table.RunTurn();
  }
  table.SetTaking(2, Taking::kEverything);
  ask(2);
  EXPECT_EQ(table.replies(2), 3u);
  EXPECT_EQ(table.awaiting_room(), 2u);
  EXPECT_TRUE(table.Finish());
}

}  // namespace
}  // namespace quorate::node
