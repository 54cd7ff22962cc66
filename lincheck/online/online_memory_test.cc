// A million operations of several kinds, and what the checker takes meanwhile,
// counted where memory is given out.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/kv.h"
#include "lincheck/online/online.h"
#include "lincheck/testing/live_bytes.h"

namespace quorate::lincheck {
namespace {

constexpr size_t kOperations = 1'000'000;
constexpr size_t kClients = 10;
constexpr size_t kKeys = 50;
constexpr size_t kUnknownEvery = 20'000;
constexpr size_t kSlowEvery = 10'000;
constexpr Time kSlow = 5'000;

// A call on a key whose state is known, and its answer.
using Draw = Operation (*)(std::mt19937_64&, const Datum&, ValueArena*);

Operation DrawUnique(std::mt19937_64& random, const Datum& state, ValueArena*) {
  if (random() % 2 == 0) {
    return {.function = Kv::kGet,
            .result = state.is_nil() ? Value::Nil()
                                     : Value::Integer(state.integer())};
  }
  return {.function = Kv::kPut,
          .argument = Value::Integer(static_cast<int64_t>(random() >> 4))};
}

Operation DrawFew(std::mt19937_64& random, const Datum& state, ValueArena*) {
  const auto any = [&] {
    return Value::Integer(static_cast<int64_t>(random() % 5));
  };
  const uint64_t kind = random() % 3;
  if (kind == 0) {
    return {.function = CasRegister::kRead,
            .result = state.is_nil() ? Value::Nil()
                                     : Value::Integer(state.integer())};
  }
  if (kind == 1) return {.function = CasRegister::kWrite, .argument = any()};
  Operation cas{
      .function = CasRegister::kCas, .argument = any(), .expected = any()};
  cas.result = Value::Integer(state.Equals(cas.expected));
  return cas;
}

Operation DrawTexts(std::mt19937_64& random, const Datum& state,
                    ValueArena* arena) {
  const uint64_t kind = random() % 4;
  if (kind < 2) {
    return {
        .function = Kv::kGet,
        .result = state.is_nil() ? Value::Nil() : arena->String(state.bytes())};
  }
  return {.function = kind == 2 && state.size() < 500
                          ? static_cast<uint8_t>(Kv::kAppend)
                          : static_cast<uint8_t>(Kv::kPut),
          .argument = arena->String(std::to_string(random()))};
}

// Clients of a right store. Now and then the outcome of a write stays unknown,
// or an answer takes long.
template <typename M>
class Clients {
 public:
  Clients(Draw draw, OnlineChecker* checker)
      : draw_(draw), checker_(*checker), states_(kKeys) {}

  void Run() {
    for (Time now = 0; now < static_cast<Time>(2 * kOperations); ++now) {
      Client& client = clients_[random_() % kClients];
      if (!client.open) {
        Invoke(now, &client);
      } else if (now >= client.until) {
        End(now, &client);
      }
      if (now % 1'000 != 0) continue;
      Look(now < static_cast<Time>(kOperations / 2) ? &early_ : &late_);
      if (::testing::Test::HasFatalFailure()) return;
    }
    checker_.Finish();
    EXPECT_EQ(checker_.result(), Result::kOk);
    EXPECT_GT(checker_.judged(), kOperations * 9 / 10);
    EXPECT_GT(unknown_, 10u);
    EXPECT_GT(most_waiting_, 60u);
    EXPECT_LE(late_, early_ * 3 / 2 + unknown_ * 2'000);
  }

 private:
  struct Client {
    OnlineChecker::Ticket ticket;
    bool open = false;
    bool unknown = false;
    Time until = 0;
    Value result;
    std::string text;  // Of the result, if it is one.
  };

  void Invoke(Time now, Client* client) {
    const size_t key = random_() % kKeys;
    ValueArena arena;
    const Operation op = draw_(random_, states_[key], &arena);
    client->ticket = checker_.Invoke(std::to_string(key), now, op);
    client->open = true;
    // A read of unknown outcome need not be kept.
    const bool reads = model_.IsRead(op);
    client->unknown = random_() % (reads ? 50 : kUnknownEvery) == 0;
    if (client->unknown && !reads) ++unknown_;
    client->until = now + (random_() % kSlowEvery == 0 ? kSlow : 0);
    client->result = op.result;
    if (op.result.is_string()) client->text = op.result.bytes();
    if (client->unknown && random_() % 2 == 0) return;  // It had no effect.
    Operation effect = op;
    effect.ret = kNever;
    model_.Step(states_[key], effect);
  }
  void End(Time now, Client* client) {
    client->open = false;
    if (client->unknown) return checker_.LeaveUnknown(client->ticket, now);
    ValueArena arena;
    if (client->result.is_string()) client->result = arena.String(client->text);
    checker_.Return(client->ticket, now, client->result);
  }
  void Look(size_t* most) {
    *most = std::max(*most, LiveBytes() - before_);
    // The checker counts its memory, but for the least memory of a key.
    ASSERT_LE(LiveBytes() - before_, 2 * checker_.size_bytes() + kKeys * 2'000);
    // Those open, those that wait for a slow one, those of unknown outcome.
    ASSERT_LE(checker_.operations(), 50 * kClients + unknown_);
    most_waiting_ = std::max(most_waiting_, checker_.operations() - unknown_);
  }

  const M model_{};
  const Draw draw_;
  OnlineChecker& checker_;
  std::mt19937_64 random_{5};
  std::vector<Datum> states_;
  Client clients_[kClients];
  size_t unknown_ = 0;
  size_t most_waiting_ = 0;
  const size_t before_ = LiveBytes();
  // The most bytes that were live in the first quarter, and after it.
  size_t early_ = 0;
  size_t late_ = 0;
};

template <typename M>
void RunMany(Draw draw) {
  const ModelOf<M> model;
  OnlineChecker checker(model);
  Clients<M>(draw, &checker).Run();
}

TEST(OnlineMemory, ValuesThatDiffer_IsBounded) { RunMany<Kv>(DrawUnique); }
TEST(OnlineMemory, FewValues_IsBounded) { RunMany<CasRegister>(DrawFew); }
TEST(OnlineMemory, TextsThatGrow_IsBounded) { RunMany<Kv>(DrawTexts); }

}  // namespace
}  // namespace quorate::lincheck
