// Deleting a line of a tape is local: the operations that clients send later
// are the same ones. Those before it do not count, because nothing can change
// them. The test also reports how many of the later messages and choices stay.
//
// Lines of shape.* are exceptions. They are the shape of the run, such as the
// number of clients or keys. Without one of them the run changes as a whole.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "env/random.h"
#include "gtest/gtest.h"
#include "sim/choices/tape.h"
#include "sim/choices/trace_hash.h"
#include "sim/run/run.h"

namespace quorate::sim {
namespace {

constexpr size_t kLines = 50;
constexpr double kOperationsKept = 0.95;

// Whether the choice is an operation of a client.
bool IsOperation(const TapeChoice& choice) {
  return choice.site == "workload.operation" ||
         choice.site == "workload.simple_operation" ||
         choice.site == "workload.multi_key_operation";
}

// Things with their numbers of occurrence.
template <typename T>
using Bag = std::map<T, size_t>;

template <typename T>
double ShareKept(const Bag<T>& whole, const Bag<T>& other) {
  size_t all = 0;
  size_t kept = 0;
  for (const auto& [thing, count] : whole) {
    const auto found = other.find(thing);
    all += count;
    if (found != other.end()) kept += std::min(count, found->second);
  }
  return all == 0 ? 1.0 : static_cast<double>(kept) / static_cast<double>(all);
}

using Name = std::tuple<std::string, uint64_t, uint64_t, uint64_t>;

using Message = std::pair<uint32_t, uint64_t>;  // Receiver, hash of bytes.

struct Outcome {
  Tape tape;
  std::vector<SentOperation> sent;
  std::vector<Message> messages;
  std::vector<Name> choices;
  std::vector<std::string> violations;
};

Outcome Finish(sim::Run* run) {
  Outcome outcome;
  outcome.violations = run->Execute().violations;
  outcome.tape = run->tape();
  outcome.sent = run->sent();
  for (const TraceRecord& record : run->trace()) {
    if (record.kind != TraceKind::kMessage) continue;
    outcome.messages.emplace_back(record.machine.value(), record.payload);
  }
  for (const TapeChoice& choice : outcome.tape.choices) {
    outcome.choices.emplace_back(choice.site, choice.entity, choice.counter,
                                 choice.value);
  }
  return outcome;
}

// The lines that act in the first half of the run, except those of its shape.
// Lines are in the order in which the choices were made, and clients issue
// operations all the time.
std::vector<size_t> LinesOfTheFirstHalf(const Tape& tape) {
  std::vector<size_t> operations;
  for (size_t i = 0; i < tape.choices.size(); ++i) {
    if (IsOperation(tape.choices[i])) operations.push_back(i);
  }
  std::vector<size_t> lines;
  for (size_t i = 0; i < operations[operations.size() / 2]; ++i) {
    if (!tape.choices[i].site.starts_with("shape.")) lines.push_back(i);
  }
  return lines;
}

// The operations that were sent and have a line after this one.
Bag<SentOperation> SentAfter(const Outcome& whole, size_t line) {
  std::set<std::pair<uint64_t, uint64_t>> numbers;
  for (size_t i = line + 1; i < whole.tape.choices.size(); ++i) {
    const TapeChoice& choice = whole.tape.choices[i];
    if (IsOperation(choice)) {
      numbers.insert({choice.entity, choice.counter});
    }
  }
  Bag<SentOperation> later;
  for (const SentOperation& operation : whole.sent) {
    if (numbers.contains({operation.client, operation.number})) {
      ++later[operation];
    }
  }
  return later;
}

// The share of the messages after the first difference that the other run has
// after it, too.
double MessagesKept(const Outcome& whole, const Outcome& rest) {
  const auto [first, other] =
      std::mismatch(whole.messages.begin(), whole.messages.end(),
                    rest.messages.begin(), rest.messages.end());
  Bag<Message> later;
  for (auto one = first; one != whole.messages.end(); ++one) ++later[*one];
  Bag<Message> kept;
  for (auto one = other; one != rest.messages.end(); ++one) ++kept[*one];
  return ShareKept(later, kept);
}

// The share of the choices after the deleted one that the other run has.
double ChoicesKept(const Outcome& whole, const Outcome& rest, size_t line) {
  Bag<Name> later;
  for (size_t i = line + 1; i < whole.choices.size(); ++i) {
    ++later[whole.choices[i]];
  }
  Bag<Name> kept;
  for (const Name& choice : rest.choices) ++kept[choice];
  return ShareKept(later, kept);
}

// The first tapes have a shape with much work. The last has a drawn one.
FixedShape ShapeOf(uint64_t seed) {
  if (seed > 4) return {};
  return {.nodes = 5, .groups = 3, .clients = 10, .operations_per_second = 100};
}

class Deletion : public testing::TestWithParam<uint64_t> {};

TEST_P(Deletion, OfALine_LeavesLaterOperationsAsTheyWere) {
  sim::Run recorded({.seed = GetParam(),
                     .shape = ShapeOf(GetParam()),
                     .duration = Seconds(6),
                     .record = true,
                     .keep_trace = true});
  const Outcome whole = Finish(&recorded);
  ASSERT_EQ(whole.violations, std::vector<std::string>{});
  ASSERT_GT(whole.sent.size(), GetParam() > 4 ? 100u : 300u);
  const std::vector<size_t> lines = LinesOfTheFirstHalf(whole.tape);
  ASSERT_GT(lines.size(), 4 * kLines);
  const Random random(GetParam());
  double least = 1;
  double messages = 0;
  double choices = 0;
  for (uint64_t i = 0; i < kLines; ++i) {
    Tape shorter = whole.tape;
    const size_t line = lines[random.Below(lines.size(), "line", 0, i)];
    const TapeChoice deleted = shorter.choices[line];
    shorter.choices.erase(shorter.choices.begin() +
                          static_cast<ptrdiff_t>(line));
    RunOptions options = *OptionsOfTape(shorter);
    options.keep_trace = true;
    sim::Run replayed(options, shorter);
    const Outcome rest = Finish(&replayed);
    EXPECT_EQ(rest.violations, std::vector<std::string>{})
        << "without " << deleted.site << " " << deleted.entity << " "
        << deleted.counter;
    Bag<SentOperation> sent;
    for (const SentOperation& operation : rest.sent) ++sent[operation];
    const Bag<SentOperation> later = SentAfter(whole, line);
    ASSERT_GE(later.size(), whole.sent.size() / 3);
    const double kept = ShareKept(later, sent);
    least = std::min(least, kept);
    EXPECT_GE(kept, kOperationsKept)
        << "without " << deleted.site << " " << deleted.entity << " "
        << deleted.counter;
    // An operation is a line of the tape, so it can be deleted.
    if (IsOperation(deleted)) {
      EXPECT_TRUE(std::none_of(rest.sent.begin(), rest.sent.end(),
                               [&](const SentOperation& operation) {
                                 return operation.client == deleted.entity &&
                                        operation.number == deleted.counter;
                               }));
    }
    messages += MessagesKept(whole, rest);
    choices += ChoicesKept(whole, rest, line);
  }
  std::printf(
      "seed %llu: of what follows a deleted line, at least %.1f %% of "
      "operations stay; on average over %zu lines %.0f %% of messages and %.0f "
      "%% of choices\n",
      static_cast<unsigned long long>(GetParam()), 100 * least, kLines,
      100 * messages / kLines, 100 * choices / kLines);
}

INSTANTIATE_TEST_SUITE_P(Tapes, Deletion, testing::Values(1, 2, 3, 4, 5));

}  // namespace
}  // namespace quorate::sim
