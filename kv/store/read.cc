#include "kv/store/read.h"

#include <algorithm>
#include <string>
#include <vector>

#include "env/check.h"
#include "kv/slots/slot_scan.h"

namespace quorate::kv {
namespace {

using Done = absl::FunctionRef<void(const ResultView&)>;

ResultView Integer(int64_t value, const Version& version) {
  return {.kind = PayloadKind::kInteger, .version = version, .integer = value};
}

ResultView Bytes(std::string_view bytes, const Lookup& of) {
  return {.kind = PayloadKind::kBytes, .version = of.version, .bytes = bytes};
}

// The bytes that GETRANGE returns: `start` to `end` inclusive, negative offsets
// counted from the end.
std::string_view ValueRange(std::string_view value, int64_t start,
                            int64_t end) {
  const auto size = static_cast<int64_t>(value.size());
  if (start < 0 && end < 0 && start > end) return {};
  if (start < 0) start = std::max<int64_t>(start + size, 0);
  if (end < 0) end = std::max<int64_t>(end + size, 0);
  end = std::min(end, size - 1);
  if (size == 0 || start > end) return {};
  return value.substr(static_cast<size_t>(start),
                      static_cast<size_t>(end - start + 1));
}

std::string_view TypeName(ValueType type) {
  switch (type) {
    case ValueType::kString:
      return "string";
  }
  CHECK(false) << "type " << static_cast<int>(type);
  return {};
}

// `bytes`, unless the entry has returned too many.
ResultView Returned(std::string_view bytes, const Lookup& of,
                    size_t* returned_bytes) {
  if (!MayReturn(bytes.size(), returned_bytes)) {
    return {.status = ResultStatus::kTooLarge, .version = of.version};
  }
  return Bytes(bytes, of);
}

// A command about one key, which may be absent.
ResultView OfOneKey(Op op, const std::array<int64_t, 2>& numbers,
                    const Lookup& found, const ReadState& state,
                    const Version& last_removal) {
  const bool present = found.found();
  const ResultView nil = {.status = ResultStatus::kNil};
  switch (op) {
    case Op::kGet: {
      if (!present) return nil;
      ResultView value = Returned(found.value, found, state.returned_bytes);
      if (value.kind == PayloadKind::kBytes) value.shared = found.shared;
      return value;
    }
    case Op::kStrlen:
      return Integer(static_cast<int64_t>(found.value.size()), found.version);
    case Op::kGetRange:
      return Returned(ValueRange(found.value, numbers[0], numbers[1]), found,
                      state.returned_bytes);
    case Op::kGetBit:
      return Integer(ValueBit(found.value, numbers[0]) ? 1 : 0, found.version);
    case Op::kExpireTime:
    case Op::kTtl: {
      if (!present) return Integer(-2, found.version);
      if (found.expire_at_ms == 0) return Integer(-1, found.version);
      // The latest time that has certainly been reached.
      const int64_t now = std::max(state.time.log_ms, state.time.known_ms);
      return Integer(found.expire_at_ms - (op == Op::kTtl ? now : 0),
                     found.version);
    }
    case Op::kType:
      return present ? Bytes(TypeName(found.type), found) : nil;
    case Op::kWatch:
      return {.status = present ? ResultStatus::kOk : ResultStatus::kNil,
              .version = present ? found.version : last_removal};
    default:
      CHECK(false) << "not a read of one key: " << OpName(op);
  }
  return nil;
}

void CountKeys(const ReadState& state, size_t found, size_t all) {
  if (state.key_reads != nullptr) state.key_reads->Add(found, all - found);
}

template <typename Arguments>
bool CountExisting(const ReadState& state,
                   const ReadCommand<Arguments>& command, Done done) {
  int64_t count = 0;
  bool needs_time = false;
  ForEachKey(state.keyspace, command, [&](const Keyspace::Key& key) {
    const Lookup found = LookUp(state.keyspace.FindEvenIfDue(key), state.time);
    needs_time = found.state == Lookup::State::kNeedsTime;
    if (found.found()) ++count;
    return !needs_time;
  });
  if (needs_time) return false;
  CountKeys(state, static_cast<size_t>(count), command.arguments.count());
  done(Integer(count, state.version));
  return true;
}

template <typename Arguments>
bool GetMany(const ReadState& state, const ReadCommand<Arguments>& command,
             Done done) {
  size_t bytes = 0;
  size_t count = 0;
  std::vector<ResultElement> elements;
  elements.reserve(command.arguments.count());
  bool needs_time = false;
  ForEachKey(state.keyspace, command, [&](const Keyspace::Key& key) {
    const Lookup found = LookUp(state.keyspace.FindEvenIfDue(key), state.time);
    needs_time = found.state == Lookup::State::kNeedsTime;
    bytes += found.value.size();
    if (found.found()) ++count;
    elements.push_back(
        {.nil = !found.found(), .bytes = found.value, .shared = found.shared});
    return !needs_time;
  });
  if (needs_time) return false;
  CountKeys(state, count, command.arguments.count());
  if (!MayReturn(bytes, state.returned_bytes)) {
    done({.status = ResultStatus::kTooLarge, .version = state.version});
  } else {
    done({.kind = PayloadKind::kArray,
          .version = state.version,
          .elements = elements});
  }
  return true;
}

// The cursor, then the keys.
void ScanKeys(const ReadState& state, const std::array<int64_t, 2>& numbers,
              Done done) {
  const ScanResult found = ScanSlots(
      numbers[0], numbers[1],
      [&](Slot slot, ScanPosition from, size_t count_max, ScanVisit visit) {
        if (slot.value() >= state.keyspace.slot_count()) {
          return ScanStep{.done = true};
        }
        return state.keyspace.Scan(slot, from, count_max,
                                   [&](const Record& record) {
                                     if (LookUp(&record, state.time).found())
                                       visit(record.key());
                                   });
      });
  ResultBuilder builder(state.version);
  builder.BeginArray({.version = state.version},
                     static_cast<uint32_t>(found.keys.size() + 1));
  builder.AddElement(std::to_string(found.next));
  for (const std::string_view key : found.keys) builder.AddElement(key);
  builder.EndArray();
  done(builder.last());
}

}  // namespace

Lookup LookUp(const Record* record, const ReadTime& time) {
  if (record == nullptr) return {};
  const int64_t expire_at_ms = record->expire_at_ms();
  if (expire_at_ms != 0) {
    if (expire_at_ms <= time.log_ms) return {};
    if (expire_at_ms <= time.due_by_ms) {
      return {.state = Lookup::State::kNeedsTime};
    }
  }
  return {.state = Lookup::State::kFound,
          .type = record->type(),
          .value = record->value(),
          .shared = record->buffer(),
          .version = record->version(),
          .expire_at_ms = expire_at_ms};
}

bool MayReturn(size_t bytes, size_t* returned_bytes) {
  if (bytes > kReturnedBytesMax - *returned_bytes) return false;
  *returned_bytes += bytes;
  return true;
}

bool ValueBit(std::string_view value, int64_t bit) {
  if (bit < 0 || bit / 8 >= static_cast<int64_t>(value.size())) return false;
  return (value[static_cast<size_t>(bit / 8)] & (0x80 >> (bit % 8))) != 0;
}

template <typename Arguments>
bool EvaluateRead(const ReadState& state, const ReadCommand<Arguments>& command,
                  Done done) {
  switch (command.op) {
    case Op::kExists:
    case Op::kExistsOfSlots:
      return CountExisting(state, command, done);
    case Op::kMGet:
    case Op::kMGetOfSlots:
      return GetMany(state, command, done);
    case Op::kKeyCount: {
      const SlotRange slots = {Slot(static_cast<uint16_t>(command.numbers[0])),
                               Slot(static_cast<uint16_t>(command.numbers[1]))};
      done(Integer(static_cast<int64_t>(state.keyspace.KeyCount(slots)),
                   state.version));
      return true;
    }
    case Op::kScan:
      ScanKeys(state, command.numbers, done);
      return true;
    default:
      break;
  }
  Arguments arguments = command.arguments;
  CHECK_GT(arguments.count(), 0u);
  const Lookup found =
      LookUp(state.keyspace.FindEvenIfDue(
                 state.keyspace.MakeKey(command.slot, arguments.Next())),
             state.time);
  if (found.state == Lookup::State::kNeedsTime) return false;
  if (command.op != Op::kWatch) CountKeys(state, found.found() ? 1 : 0, 1);
  done(OfOneKey(command.op, command.numbers, found, state,
                command.op == Op::kWatch
                    ? state.keyspace.last_removal(command.slot)
                    : Version{}));
  return true;
}

template bool EvaluateRead(const ReadState&, const ReadCommand<ArgumentReader>&,
                           Done);
template bool EvaluateRead(const ReadState&, const ReadCommand<ArgumentList>&,
                           Done);

}  // namespace quorate::kv
