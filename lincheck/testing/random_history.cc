#include "lincheck/testing/random_history.h"

#include <algorithm>
#include <string>
#include <vector>

#include "lincheck/models/kv.h"

namespace quorate::lincheck {
namespace {

class Generator {
 public:
  Generator(std::mt19937_64& random, const RandomHistoryOptions& options)
      : random_(random), options_(options) {
    for (uint32_t p = 0; p < options.partitions; ++p) {
      history_.Partition(std::to_string(p));
    }
    states_.resize(options.partitions);
    versions_.assign(options.partitions, kInitialVersion);
  }

  History Run() {
    // Effects happen at times 10, 20, …; intervals reach around them, those of
    // one client without overlap.
    std::vector<Time> free(options_.clients, 0);
    std::vector<Operation> operations;
    for (size_t i = 0; i < options_.operations; ++i) {
      const Time effect = static_cast<Time>(i + 1) * 10;
      const auto client = static_cast<uint32_t>(Below(options_.clients));
      Operation op = Draw(static_cast<uint32_t>(Below(options_.partitions)));
      op.client = client;
      op.invoke = std::max(free[client], effect - static_cast<Time>(Below(60)));
      op.invoke = std::min(op.invoke, effect);
      op.ret = effect + static_cast<Time>(Below(60));
      free[client] = op.ret + 1;
      const bool unknown = Percent(options_.unknown_percent);
      if (!unknown || Below(2) == 0) Effect(&op);
      if (unknown) {
        op.ret = kNever;
        op.result = {};
        op.seen = kNoVersion;
        free[client] = effect + 1;
      } else if (Percent(options_.spoiled_percent)) {
        Spoil(&op);
      }
      operations.push_back(op);
    }
    // No verdict may depend on the order of a file.
    std::shuffle(operations.begin(), operations.end(), random_);
    for (const Operation& op : operations) history_.Add(op);
    return std::move(history_);
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool Percent(int percent) {
    return Below(100) < static_cast<uint64_t>(percent);
  }

  Value NewValue() {
    const uint64_t n =
        options_.unique_values ? ++count_ : Below(options_.values);
    return history_.String("v" + std::to_string(n));
  }

  Operation Draw(uint32_t partition) {
    Operation op{.partition = partition};
    static constexpr uint8_t kRegisters[] = {Kv::kGet, Kv::kGet, Kv::kPut,
                                             Kv::kCas};
    static constexpr uint8_t kTexts[] = {Kv::kGet,    Kv::kGet,    Kv::kGet,
                                         Kv::kAppend, Kv::kAppend, Kv::kAppend,
                                         Kv::kPut,    Kv::kSwap,   Kv::kCas};
    op.function = options_.only_registers ? kRegisters[Below(4)]
                  : options_.only_texts
                      ? kTexts[Below(9)]
                      : static_cast<uint8_t>(Below(Kv::kPutIfExists + 1));
    const Datum& state = states_[partition];
    switch (op.function) {
      case Kv::kIncrement:
        // A string cannot be counted.
        if (!state.is_nil() && !state.is_integer()) op.function = Kv::kGet;
        if (op.function == Kv::kIncrement) op.argument = Value::Integer(1);
        break;
      case Kv::kCas:
        op.argument = NewValue();
        op.expected = Below(2) == 0 ? ValueOf(state, &history_) : NewValue();
        break;
      case Kv::kPut:
      case Kv::kAppend:
      case Kv::kSwap:
      case Kv::kPutIfExists:
        op.argument = NewValue();
        break;
      default:
        break;
    }
    return op;
  }

  // Runs the model and fills in what it answers.
  void Effect(Operation* op) {
    Datum& state = states_[op->partition];
    const Datum before = state;
    Operation unknown = *op;
    unknown.ret = kNever;
    kv_.Step(state, unknown);
    switch (op->function) {
      case Kv::kGet:
      case Kv::kSwap:
      case Kv::kTake:
        op->result = ValueOf(before, &history_);
        break;
      case Kv::kAppend:
        // Some stores tell the size, others do not.
        if (!options_.only_texts || Below(8) == 0) {
          op->result = Value::Integer(static_cast<int64_t>(state.size()));
        }
        break;
      case Kv::kIncrement:
        op->result = ValueOf(state, &history_);
        break;
      case Kv::kDelete:
      case Kv::kPutIfExists:
        op->result = Value::Integer(!before.is_nil());
        break;
      case Kv::kCas:
        op->result = Value::Integer(before.Equals(op->expected));
        break;
      default:
        break;
    }
    if (!options_.versions) return;
    StateVersion& version = versions_[op->partition];
    op->seen = op->function == Kv::kPut ? kNoVersion : version;
    if (!kv_.IsRead(*op)) op->written = version = ++last_version_;
  }

  void Spoil(Operation* op) {
    if (options_.versions && Below(2) == 0) {
      if (op->seen != kNoVersion) {
        op->seen = kInitialVersion + Below(last_version_);
      }
      return;
    }
    if (op->result.is_integer()) {
      op->result = Value::Integer(static_cast<int64_t>(Below(3)));
    } else if (options_.only_texts && op->result.is_string() && Below(2) == 0) {
      op->result = history_.String(
          std::string(op->result.bytes().substr(0, 2 * Below(4))) +
          (Below(2) == 0 ? "" : "v" + std::to_string(Below(count_ + 1))));
    } else if (!op->result.is_none()) {
      const uint64_t n =
          Below(options_.unique_values ? count_ + 1 : options_.values);
      op->result =
          n == 0 ? Value::Nil() : history_.String("v" + std::to_string(n));
    }
  }

  std::mt19937_64& random_;
  const RandomHistoryOptions options_;
  const Kv kv_{};
  History history_;
  std::vector<Datum> states_;
  std::vector<StateVersion> versions_;
  StateVersion last_version_ = kInitialVersion;
  uint64_t count_ = 0;
};

}  // namespace

History RandomKvHistory(std::mt19937_64& random,
                        const RandomHistoryOptions& options) {
  return Generator(random, options).Run();
}

}  // namespace quorate::lincheck
