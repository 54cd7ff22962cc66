#include "bench/lincheck_histories.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lincheck/models/cas_register.h"
#include "lincheck/models/kv.h"

namespace quorate::bench {
namespace {

using lincheck::CasRegister;
using lincheck::Datum;
using lincheck::History;
using lincheck::Kv;
using lincheck::Operation;
using lincheck::Register;
using lincheck::StateVersion;
using lincheck::Time;
using lincheck::Value;

class Maker {
 public:
  explicit Maker(const HistoryOptions& options)
      : options_(options),
        random_(options.seed),
        keys_(options.keys),
        next_client_(options.clients) {
    for (uint32_t key = 0; key < options.keys; ++key) {
      history_.Partition("key" + std::to_string(key));
    }
    history_.Reserve(options.operations);
  }

  History Run() {
    for (uint32_t client = 0; client < options_.clients; ++client) {
      Begin(client, static_cast<Time>(Below(kPauseMax)));
    }
    for (size_t i = 0; i < options_.operations; ++i) {
      const Pending next = pending_.top();
      pending_.pop();
      End(next, i);
    }
    return std::move(history_);
  }

 private:
  static constexpr uint64_t kPauseMax = 100;
  static constexpr uint64_t kLatencyMax = 1000;  // In each direction.

  struct Pending {
    Time effect = 0;
    Time invoke = 0;
    uint32_t client = 0;
    friend bool operator>(const Pending& a, const Pending& b) {
      return std::pair(a.effect, a.client) > std::pair(b.effect, b.client);
    }
  };
  struct Key {
    Datum state;
    StateVersion version = lincheck::kInitialVersion;
    StateVersion last_version = lincheck::kInitialVersion;
    // An early state, which the wrong read returns.
    Value early;
    StateVersion early_version = lincheck::kNoVersion;
    bool overwritten = false;
  };

  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool Percent(int percent) {
    return Below(100) < static_cast<uint64_t>(percent);
  }

  void Begin(uint32_t client, Time invoke) {
    const auto effect = invoke + static_cast<Time>(1 + Below(kLatencyMax));
    pending_.push({effect, invoke, client});
  }

  void End(const Pending& next, size_t i) {
    Operation op{.invoke = next.invoke,
                 .ret = next.effect + static_cast<Time>(1 + Below(kLatencyMax)),
                 .client = next.client,
                 .partition = static_cast<uint32_t>(Below(keys_.size()))};
    const bool last = i + 1 == options_.operations;
    Draw(&op, i, last && options_.wrong);
    if (last && options_.wrong) {
      const Key& key = keys_[op.partition];
      op.invoke = op.ret = next.effect + 3 * static_cast<Time>(kLatencyMax);
      op.result = key.early;
      op.seen = key.early_version;
    }
    uint32_t client = next.client;
    const bool unknown = !last && Percent(options_.unknown_percent);
    const bool lost = unknown && Below(2) == 0;
    if (!lost && !(last && options_.wrong)) Effect(&op);
    Begin(unknown ? next_client_++ : client,
          op.ret + 1 + static_cast<Time>(Below(kPauseMax)));
    if (unknown) {
      op.ret = lincheck::kNever;
      op.result = {};
      op.seen = lincheck::kNoVersion;
    }
    history_.Add(op);
  }

  Value NewNumber() { return Value::Integer(static_cast<int64_t>(++count_)); }
  Value Piece(uint32_t client) {
    if (options_.mix == Mix::kLetters) {
      return history_.String(std::string(1, static_cast<char>('a' + Below(5))));
    }
    return history_.String("x " + std::to_string(client) + " " +
                           std::to_string(++count_) + " y");
  }

  // Draws function and arguments.
  void Draw(Operation* op, size_t i, bool read) {
    const uint64_t dice = Below(100);
    switch (options_.mix) {
      case Mix::kRegister:
        op->function = read || dice < 50 ? Register::kRead : Register::kWrite;
        if (op->function == Register::kWrite) op->argument = NewNumber();
        return;
      case Mix::kVersions:
      case Mix::kStore:
        op->function = read || dice < 50 ? Kv::kGet
                       : dice < 75       ? Kv::kPut
                       : dice < 85       ? Kv::kCas
                       : dice < 95       ? Kv::kSwap
                                         : Kv::kDelete;
        if (op->function == Kv::kCas) {
          op->expected = ValueOf(keys_[op->partition].state);
        }
        if (op->function != Kv::kGet && op->function != Kv::kDelete) {
          op->argument = NewNumber();
        }
        return;
      case Mix::kCasRegister:
        op->function = read || dice < 34 ? CasRegister::kRead
                       : dice < 67       ? CasRegister::kWrite
                                         : CasRegister::kCas;
        if (op->function == CasRegister::kCas) {
          op->expected = Value::Integer(static_cast<int64_t>(Below(5)));
        }
        if (op->function != CasRegister::kRead) {
          op->argument = Value::Integer(static_cast<int64_t>(Below(5)));
        }
        return;
      case Mix::kAppend:
      case Mix::kText:
      case Mix::kLetters:
        op->function = read || dice < 50 ? Kv::kGet
                       : options_.mix != Mix::kAppend && i % 50 == 0
                           ? Kv::kPut
                           : Kv::kAppend;
        if (op->function != Kv::kGet) op->argument = Piece(op->client);
        return;
    }
  }

  Value ValueOf(const Datum& state) {
    if (state.is_nil()) return Value::Nil();
    if (state.is_integer()) return Value::Integer(state.integer());
    return history_.String(state.bytes());
  }

  // Applies the operation to the store and fills in its result.
  void Effect(Operation* op) {
    Key& key = keys_[op->partition];
    if (options_.mix == Mix::kCasRegister) {
      if (op->function == CasRegister::kCas) {
        op->result = Value::Integer(key.state.Equals(op->expected));
      }
      if (op->function == CasRegister::kRead) op->result = ValueOf(key.state);
      if (op->function == CasRegister::kWrite ||
          op->result == Value::Integer(1)) {
        if (op->function != CasRegister::kRead) key.state.Assign(op->argument);
      }
      // A value other than the current one, for the wrong read.
      key.early = Value::Integer((key.state.integer() + 1) % 5);
      return;
    }
    if (options_.mix == Mix::kRegister) {
      if (op->function == Register::kRead) {
        op->result = ValueOf(key.state);
      } else {
        if (key.early.is_none()) key.early = op->argument;
        key.state.Assign(op->argument);
      }
      return;
    }
    KvEffect(op, &key);
  }

  void KvEffect(Operation* op, Key* key) {
    const Datum before = key->state;
    const bool fits = op->function == Kv::kCas ? before.Equals(op->expected)
                                               : !before.is_nil();
    if (op->function == Kv::kGet || op->function == Kv::kSwap) {
      op->result = ValueOf(before);
    } else if (op->function == Kv::kCas || op->function == Kv::kDelete) {
      op->result = Value::Integer(fits);
    }
    const bool writes =
        op->function == Kv::kPut || op->function == Kv::kAppend ||
        op->function == Kv::kSwap ||
        (fits && (op->function == Kv::kCas || op->function == Kv::kDelete));
    if (options_.mix == Mix::kVersions) {
      op->seen = op->function == Kv::kPut ? lincheck::kNoVersion : key->version;
      if (writes) op->written = key->version = ++key->last_version;
    }
    if (!writes) return;
    if (op->function == Kv::kAppend) {
      key->state.Append(op->argument.bytes());
    } else {
      key->state.Assign(op->function == Kv::kDelete ? Value::Nil()
                                                    : op->argument);
    }
    if (key->early.is_none() && !key->state.is_nil()) {
      key->early = ValueOf(key->state);
      key->early_version = key->version;
      if (options_.mix != Mix::kVersions) {
        key->early_version = lincheck::kNoVersion;
      }
    }
  }

  const HistoryOptions options_;
  std::mt19937_64 random_;
  History history_;
  std::vector<Key> keys_;
  std::priority_queue<Pending, std::vector<Pending>, std::greater<>> pending_;
  uint32_t next_client_;
  uint64_t count_ = 0;
};

}  // namespace

History MakeHistory(const HistoryOptions& options) {
  return Maker(options).Run();
}

}  // namespace quorate::bench
