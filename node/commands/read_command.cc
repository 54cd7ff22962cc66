#include "node/commands/read_command.h"

#include <algorithm>
#include <vector>

#include "env/check.h"
#include "kv/slots/slot_scan.h"
#include "kv/store/evaluate.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

using kv::Lookup;
using kv::Op;
using kv::PayloadKind;
using kv::ResultStatus;
using kv::ResultView;

ResultView Bytes(std::string_view bytes, const Buffer* shared = nullptr) {
  ResultView result;
  result.kind = PayloadKind::kBytes;
  result.bytes = bytes;
  result.shared = shared;
  return result;
}

ResultView Integer(int64_t value) {
  ResultView result;
  result.kind = PayloadKind::kInteger;
  result.integer = value;
  return result;
}

ResultView Nil() {
  ResultView result;
  result.status = ResultStatus::kNil;
  return result;
}

// `now_ms` is the latest time that has certainly been reached, by log time or
// by the clock.
ResultView OfOneKey(const kv::CommandSpec& spec, const Lookup& lookup,
                    int64_t now_ms) {
  switch (spec.op) {
    case Op::kGet:
      return lookup.found() ? Bytes(lookup.value, lookup.shared) : Nil();
    case Op::kStrlen:
      return Integer(lookup.found() ? static_cast<int64_t>(lookup.value.size())
                                    : 0);
    case Op::kGetRange:
      return Bytes(
          lookup.found()
              ? kv::ValueRange(lookup.value, spec.numbers[0], spec.numbers[1])
              : std::string_view());
    case Op::kGetBit:
      return Integer(
          lookup.found() && kv::ValueBit(lookup.value, spec.numbers[0]) ? 1
                                                                        : 0);
    case Op::kExpireTime:
      if (!lookup.found()) return Integer(-2);
      return Integer(lookup.expire_at_ms == 0 ? -1 : lookup.expire_at_ms);
    case Op::kTtl:
      if (!lookup.found()) return Integer(-2);
      return Integer(lookup.expire_at_ms == 0 ? -1
                                              : lookup.expire_at_ms - now_ms);
    case Op::kType:
      return lookup.found() ? Bytes("string") : Nil();
    default:
      CHECK(false) << "not a read of one key: " << kv::OpName(spec.op);
  }
  return Nil();
}

bool CountExisting(const kv::Store& store, const kv::CommandSpec& spec,
                   WallTime due_by, int64_t* count) {
  *count = 0;
  bool needs_time = false;
  store.GetEach(spec.slot, spec.arguments, due_by, [&](const Lookup& lookup) {
    needs_time = lookup.state == Lookup::State::kNeedsTime;
    if (lookup.found()) ++*count;
    return !needs_time;
  });
  return !needs_time;
}

bool GetMany(const kv::Store& store, const kv::CommandSpec& spec,
             WallTime due_by, absl::FunctionRef<void(const ResultView&)> done) {
  size_t bytes = 0;
  std::vector<kv::ResultElement> elements;
  elements.reserve(spec.arguments.size());
  bool needs_time = false;
  store.GetEach(spec.slot, spec.arguments, due_by, [&](const Lookup& lookup) {
    needs_time = lookup.state == Lookup::State::kNeedsTime;
    bytes += lookup.value.size();
    elements.push_back({.nil = !lookup.found(),
                        .bytes = lookup.value,
                        .shared = lookup.shared});
    return !needs_time;
  });
  if (needs_time) return false;
  if (bytes > kv::kReturnedBytesMax) {
    done({.status = ResultStatus::kTooLarge});
    return true;
  }
  done({.kind = PayloadKind::kArray, .elements = elements});
  return true;
}

void ScanKeys(const kv::Store& store, const kv::CommandSpec& spec,
              WallTime due_by,
              absl::FunctionRef<void(const ResultView&)> done) {
  const kv::ScanResult found = kv::ScanSlots(
      spec.numbers[0], spec.numbers[1],
      [&](Slot slot, kv::ScanPosition from, size_t count_max,
          kv::ScanVisit visit) {
        return store.Scan(
            slot, from, count_max, due_by,
            [&](std::string_view key, const Lookup&) { visit(key); });
      });
  kv::ResultBuilder builder(kv::Version{});
  builder.BeginArray(ResultView{},
                     static_cast<uint32_t>(found.keys.size() + 1));
  builder.AddElement(Concat(found.next));
  for (const std::string_view key : found.keys) builder.AddElement(key);
  builder.EndArray();
  done(builder.last());
}

}  // namespace

bool EvaluateRead(const kv::Store& store, const kv::CommandSpec& spec,
                  WallTime due_by,
                  absl::FunctionRef<void(const ResultView&)> done) {
  if (spec.op == Op::kMGet) return GetMany(store, spec, due_by, done);
  if (spec.op == Op::kScan) {
    ScanKeys(store, spec, due_by, done);
    return true;
  }
  if (spec.op == Op::kKeyCount) {
    const SlotRange slots = {Slot(static_cast<uint16_t>(spec.numbers[0])),
                             Slot(static_cast<uint16_t>(spec.numbers[1]))};
    done(Integer(static_cast<int64_t>(store.key_count(slots))));
    return true;
  }
  if (spec.op == Op::kExists) {
    int64_t count = 0;
    if (!CountExisting(store, spec, due_by, &count)) return false;
    done(Integer(count));
    return true;
  }
  CHECK(!spec.arguments.empty());
  const Lookup lookup = store.Get(spec.slot, spec.arguments[0], due_by);
  if (lookup.state == Lookup::State::kNeedsTime) return false;
  ResultView result =
      OfOneKey(spec, lookup, std::max(store.log_time(), due_by).ms());
  if (lookup.found()) result.version = lookup.version;
  done(result);
  return true;
}

}  // namespace quorate::node
