#include "lincheck/models/registry.h"

#include "lincheck/models/cas_register.h"
#include "lincheck/models/expiring_kv.h"
#include "lincheck/models/kv.h"
#include "lincheck/models/lock.h"
#include "lincheck/models/mutex.h"
#include "lincheck/models/queue.h"
#include "lincheck/models/set.h"
#include "lincheck/models/transaction.h"

namespace quorate::lincheck {
namespace {

template <typename M>
std::unique_ptr<Model> Make() {
  return std::make_unique<ModelOf<M>>();
}

template <typename M>
std::unique_ptr<Model> MakeFrom(const Datum& initial) {
  return std::make_unique<ModelOf<M>>(StartingAs<M>(initial));
}

std::unique_ptr<Model> MakeTextKv() { return MakeFrom<Kv>(Datum::Text("")); }

std::unique_ptr<Model> MakeCounter() {
  Datum zero;
  zero.AssignInteger(0);
  return MakeFrom<Kv>(zero);
}

constexpr ModelEntry kModels[] = {
    {"register", "read, write; starts as nil", Make<Register>,
     MakeFrom<Register>},
    {"cas-register", "read, write, cas; starts as nil", Make<CasRegister>,
     MakeFrom<CasRegister>},
    {"kv",
     "one key: get, put, append, delete, incr, cas, swap, take, put_if_exists; "
     "starts as nil",
     Make<Kv>, MakeFrom<Kv>},
    {"kv-text", "the same, but a key starts as the empty string", MakeTextKv,
     MakeFrom<Kv>},
    {"kv-expiring",
     "kv, and put_for, expire, persist; durations in the unit of the history's "
     "times",
     Make<ExpiringKv>},
    {"counter", "incr, get; starts at 0", MakeCounter, MakeFrom<Kv>},
    {"set", "add, remove, contains, read; starts empty", Make<Set>},
    {"queue",
     "enqueue, dequeue, peek, length: first in first out; starts empty",
     Make<Queue>},
    {"mutex", "acquire, release, without tokens; starts free", Make<Mutex>},
    {"lock", "acquire, release, check, with fencing tokens; starts free",
     Make<Lock>},
    {"txn",
     "transactions of reads, writes and appends; every key starts as nil",
     Make<Transaction>, MakeFrom<Transaction>},
};

}  // namespace

absl::Span<const ModelEntry> Models() { return kModels; }

const ModelEntry* FindModel(std::string_view name) {
  for (const ModelEntry& entry : kModels) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace quorate::lincheck
