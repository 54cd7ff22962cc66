// Random histories on the store, with snapshots, compared with a slow and
// simple model.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/parse_integer.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/command/result_check.h"
#include "kv/command/rules.h"
#include "kv/slots/slot.h"
#include "kv/slots/slot_scan.h"
#include "kv/store/store.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

constexpr GroupId kGroup(3);
constexpr uint64_t kHashKey = 99;

// The tags of the keys in play; the last one's slot is not owned.
constexpr const char* kTags[] = {"{a}", "{b}", "{x}"};
constexpr const char* kForeignTag = "{x}";

// ---- Generated commands.

struct TestCommand {
  Op op = Op::kGet;
  std::vector<std::string> arguments;
  CommandFlags flags = 0;
  std::optional<int64_t> expire_at_ms;
  std::optional<Version> expected;
  int64_t number_a = 0;
  int64_t number_b = 0;
  std::optional<SessionStamp> session;
  std::vector<TestCommand> nested;  // kAtomic.
  Slot slot;
};

// ---- Expected results. `bytes` is printed form for arrays and nests.

struct Expected {
  ResultStatus status = ResultStatus::kOk;
  PayloadKind kind = PayloadKind::kNone;
  bool wrote = false;
  bool duplicate = false;
  Version version;
  int64_t integer = 0;
  std::string bytes;
  friend bool operator==(const Expected&, const Expected&) = default;
  std::string Print() const {
    return std::string(ResultStatusName(status)) + "/" +
           std::to_string(static_cast<int>(kind)) + (wrote ? "/wrote" : "") +
           (duplicate ? "/duplicate" : "") + "/" + FormatVersion(version) +
           "/" + std::to_string(integer) + "/" + bytes;
  }
};

void showValue(const Expected& expected, std::ostream& out) {
  out << expected.Print();
}

// ---- The model.

class Model {
 public:
  struct Value {
    std::string bytes;
    Version version;
    int64_t expire_at_ms = 0;
  };
  struct Row {
    SessionToken token;
    int64_t used_ms = 0;
    uint64_t floor = 0;
    std::map<uint64_t, std::pair<std::string, Expected>> results;
  };

  void MoveTo(int64_t now_ms) {
    now_ms_ = std::max(now_ms_, now_ms);
    std::erase_if(keys_, [this](const auto& item) {
      return item.second.expire_at_ms != 0 &&
             item.second.expire_at_ms <= now_ms_;
    });
  }

  Expected Apply(const TestCommand& command, const Version& version) {
    version_ = version;
    if (command.slot == HashSlot(kForeignTag)) {
      return Refused(ResultStatus::kNotOwner);
    }
    if (!command.session.has_value()) return Run(command);
    return RunStamped(command);
  }

  // So few rows are in play that every entry removes all that are due.
  void EndEntry() {
    std::erase_if(rows_, [this](const auto& item) {
      return !Alive(item.second, now_ms_);
    });
  }

  const std::map<std::string, Value>& keys() const { return keys_; }
  int64_t now_ms() const { return now_ms_; }

 private:
  Expected Refused(ResultStatus status) {
    return {.status = status, .version = version_};
  }

  // A row lives until the second after its lifetime has passed since its last
  // use.
  static bool Alive(const Row& row, int64_t now_ms) {
    const int64_t end = row.used_ms + SessionRules().lifetime.ms();
    return now_ms < (end + 999) / 1000 * 1000;
  }

  static std::string Identity(const TestCommand& command) {
    std::string text = std::to_string(static_cast<int>(command.op)) + "|" +
                       std::to_string(command.flags) + "|" +
                       std::to_string(command.number_a) + "|" +
                       std::to_string(command.number_b) + "|";
    if (command.expire_at_ms.has_value()) text += "expires|";
    if (command.expected.has_value()) text += FormatVersion(*command.expected);
    for (const std::string& argument : command.arguments) {
      text += "|" + argument;
    }
    for (const TestCommand& nested : command.nested) {
      text += "(" + Identity(nested) + ")";
    }
    return text;
  }

  Expected RunStamped(const TestCommand& command) {
    const SessionStamp& stamp = *command.session;
    const uint64_t sequence = stamp.sequence.value();
    const auto at = std::pair(command.slot, stamp.token.client);
    auto found = rows_.find(at);
    if (found != rows_.end() && !Alive(found->second, now_ms_)) {
      rows_.erase(found);
      found = rows_.end();
    }
    if (found == rows_.end()) {
      const int64_t left = stamp.token.open_until_ms - now_ms_;
      if (left < 0 || left >= SessionRules().lifetime.ms()) {
        return Refused(ResultStatus::kSessionExpired);
      }
    } else {
      const Row& row = found->second;
      if (sequence < row.floor) return Refused(ResultStatus::kStaleSequence);
      const auto kept = row.results.find(sequence);
      if (kept != row.results.end()) {
        if (kept->second.first != Identity(command)) {
          return Refused(ResultStatus::kSequenceReused);
        }
        Expected first = kept->second.second;
        first.duplicate = true;
        Touch(&found->second, stamp);
        return first;
      }
    }
    const Expected result = Run(command);
    Row& row = rows_[at];
    row.token = stamp.token;
    Touch(&row, stamp);
    row.results[sequence] = {Identity(command), result};
    return result;
  }

  void Touch(Row* row, const SessionStamp& stamp) {
    row->used_ms = now_ms_;
    row->floor = std::max(row->floor, stamp.floor.value());
    std::erase_if(row->results,
                  [row](const auto& item) { return item.first < row->floor; });
  }

  Value* Find(const std::string& key) {
    const auto found = keys_.find(key);
    return found == keys_.end() ? nullptr : &found->second;
  }

  // Replies.
  static Expected Nil() { return {.status = ResultStatus::kNil}; }
  // The bit, as a digit of the value in binary.
  static bool BitOf(const std::string& value, int64_t bit) {
    std::string digits;
    for (const char byte : value) {
      for (int i = 7; i >= 0; --i) digits.push_back((byte >> i) & 1);
    }
    return bit < static_cast<int64_t>(digits.size()) && digits[bit] == 1;
  }
  static Expected Integer(int64_t value, const Version& version, bool wrote) {
    return {.kind = PayloadKind::kInteger,
            .wrote = wrote,
            .version = version,
            .integer = value};
  }
  static Expected Bytes(const std::string& bytes, const Version& version) {
    return {.kind = PayloadKind::kBytes, .version = version, .bytes = bytes};
  }

  Expected Run(const TestCommand& command) {
    switch (command.op) {
      case Op::kGet:
      case Op::kStrlen:
      case Op::kGetRange:
      case Op::kExists:
      case Op::kMGet:
      case Op::kExpireTime:
      case Op::kType:
      case Op::kGetBit:
        return Read(command);
      case Op::kSet:
        return Set(command);
      case Op::kExpireAt:
      case Op::kPersist:
        return Expire(command);
      case Op::kAtomic:
        return Atomic(command);
      default:
        return Change(command);
    }
  }

  Expected Read(const TestCommand& command) {
    const Value* value = Find(command.arguments[0]);
    const Version version = value == nullptr ? Version{} : value->version;
    switch (command.op) {
      case Op::kGet:
        return value == nullptr ? Nil() : Bytes(value->bytes, version);
      case Op::kType:
        return value == nullptr ? Nil() : Bytes("string", version);
      case Op::kStrlen:
        return Integer(value == nullptr ? 0 : value->bytes.size(), version,
                       false);
      case Op::kExpireTime:
        if (value == nullptr) return Integer(-2, version, false);
        return Integer(value->expire_at_ms == 0 ? -1 : value->expire_at_ms,
                       version, false);
      case Op::kGetBit:
        return Integer(
            value != nullptr && BitOf(value->bytes, command.number_a), version,
            false);
      case Op::kGetRange: {
        std::string taken;
        const std::string all = value == nullptr ? "" : value->bytes;
        const int64_t size = static_cast<int64_t>(all.size());
        int64_t a = command.number_a;
        int64_t b = command.number_b;
        if (a < 0) a = a + size < 0 ? 0 : a + size;
        if (b < 0) b = b + size < 0 ? 0 : b + size;
        const bool crossed =
            command.number_a < 0 && command.number_b < command.number_a;
        for (int64_t i = 0; i < size; ++i) {
          if (!crossed && i >= a && i <= b) taken += all[i];
        }
        return Bytes(taken, version);
      }
      case Op::kExists: {
        int64_t found = 0;
        for (const std::string& key : command.arguments) {
          if (Find(key) != nullptr) ++found;
        }
        return Integer(found, version_, false);
      }
      default: {
        Expected array{.kind = PayloadKind::kArray, .version = version_};
        for (const std::string& key : command.arguments) {
          const Value* element = Find(key);
          array.bytes += element == nullptr ? "nil;" : element->bytes + ";";
        }
        return array;
      }
    }
  }

  Expected Set(const TestCommand& command) {
    const std::string& key = command.arguments[0];
    const Value* old = Find(key);
    bool holds = true;
    if (command.flags & kIfAbsent) holds = old == nullptr;
    if (command.flags & kIfPresent) holds = old != nullptr;
    if (command.expected.has_value()) {
      holds = (old == nullptr ? Version{} : old->version) == *command.expected;
    }
    Expected result{
        .status = holds ? ResultStatus::kOk : ResultStatus::kConditionFailed,
        .wrote = holds,
        .version = old == nullptr ? Version{} : old->version};
    if (holds) result.version = version_;
    if ((command.flags & kReturnOld) && old != nullptr) {
      result.kind = PayloadKind::kBytes;
      result.bytes = old->bytes;
    }
    if (!holds) return result;
    int64_t expiry = command.expire_at_ms.value_or(0);
    if ((command.flags & kKeepExpiry) && old != nullptr) {
      expiry = old->expire_at_ms;
    }
    if (command.expire_at_ms.has_value() && expiry <= now_ms_) {
      keys_.erase(key);
    } else {
      keys_[key] = {command.arguments[1], version_, expiry};
    }
    return result;
  }

  Expected Expire(const TestCommand& command) {
    Value* value = Find(command.arguments[0]);
    if (value == nullptr) return Integer(0, Version{}, false);
    const bool has = value->expire_at_ms != 0;
    if (command.op == Op::kPersist) {
      if (!has) return Integer(0, value->version, false);
      value->expire_at_ms = 0;
      value->version = version_;
      return Integer(1, version_, true);
    }
    const int64_t at = *command.expire_at_ms;
    if (((command.flags & kIfAbsent) && has) ||
        ((command.flags & kIfPresent) && !has) ||
        ((command.flags & kIfGreater) && (!has || at <= value->expire_at_ms)) ||
        ((command.flags & kIfLess) && has && at >= value->expire_at_ms)) {
      return Integer(0, value->version, false);
    }
    if (at <= now_ms_) {
      keys_.erase(command.arguments[0]);
    } else {
      value->expire_at_ms = at;
      value->version = version_;
    }
    return Integer(1, version_, true);
  }

  Expected Change(const TestCommand& command) {
    const std::string& key = command.arguments[0];
    const Value* old = Find(key);
    const Version old_version = old == nullptr ? Version{} : old->version;
    const int64_t expiry = old == nullptr ? 0 : old->expire_at_ms;
    switch (command.op) {
      case Op::kGetDel: {
        if (old == nullptr) return Nil();
        Expected result = Bytes(old->bytes, old_version);
        result.wrote = true;
        keys_.erase(key);
        return result;
      }
      case Op::kDel: {
        if (command.expected.has_value() && *command.expected != old_version) {
          return {.status = ResultStatus::kConditionFailed,
                  .version = old_version};
        }
        int64_t removed = 0;
        for (const std::string& each : command.arguments) {
          removed += static_cast<int64_t>(keys_.erase(each));
        }
        return Integer(removed, version_, removed > 0);
      }
      case Op::kIncrBy: {
        int64_t value = 0;
        if (old != nullptr) {
          // Strict as the store: only what a number prints as.
          value = std::strtoll(old->bytes.c_str(), nullptr, 10);
          if (std::to_string(value) != old->bytes) {
            return {.status = ResultStatus::kNotInteger,
                    .version = old_version};
          }
        }
        value += command.number_a;
        keys_[key] = {std::to_string(value), version_, expiry};
        return Integer(value, version_, true);
      }
      case Op::kAppend: {
        const std::string before = old == nullptr ? "" : old->bytes;
        keys_[key] = {before + command.arguments[1], version_, expiry};
        return Integer(keys_[key].bytes.size(), version_, true);
      }
      case Op::kSetBit: {
        std::string value = old == nullptr ? "" : old->bytes;
        const int64_t bit = command.number_a / 2;
        const bool before = BitOf(value, bit);
        const bool grows = static_cast<int64_t>(value.size()) * 8 <= bit;
        if (old != nullptr && !grows && before == (command.number_a % 2 == 1)) {
          return Integer(before, old_version, false);
        }
        while (static_cast<int64_t>(value.size()) * 8 <= bit) {
          value.push_back('\0');
        }
        if (before != (command.number_a % 2 == 1)) {
          value[bit / 8] =
              static_cast<char>(value[bit / 8] ^ 1 << (7 - bit % 8));
        }
        keys_[key] = {value, version_, expiry};
        return Integer(before, version_, true);
      }
      case Op::kSetRange: {
        std::string value = old == nullptr ? "" : old->bytes;
        if (command.arguments[1].empty()) {
          return Integer(value.size(), old_version, false);
        }
        for (size_t i = 0; i < command.arguments[1].size(); ++i) {
          const size_t at = static_cast<size_t>(command.number_a) + i;
          while (value.size() <= at) value.push_back('\0');
          value[at] = command.arguments[1][i];
        }
        keys_[key] = {value, version_, expiry};
        return Integer(value.size(), version_, true);
      }
      default: {  // kMSet.
        for (size_t i = 0; i < command.arguments.size(); i += 2) {
          if ((command.flags & kIfAbsent) &&
              Find(command.arguments[i]) != nullptr) {
            return {.status = ResultStatus::kConditionFailed,
                    .version = version_};
          }
        }
        for (size_t i = 0; i < command.arguments.size(); i += 2) {
          keys_[command.arguments[i]] = {command.arguments[i + 1], version_, 0};
        }
        return {.wrote = true, .version = version_};
      }
    }
  }

  Expected Atomic(const TestCommand& command) {
    for (const TestCommand& nested : command.nested) {
      if (nested.op != Op::kCheckVersion) continue;
      const Value* value = Find(nested.arguments[0]);
      if ((value == nullptr ? Version{} : value->version) != *nested.expected) {
        return {.status = ResultStatus::kConditionFailed, .version = version_};
      }
    }
    Expected result{.kind = PayloadKind::kNested, .version = version_};
    for (const TestCommand& nested : command.nested) {
      const Expected one = nested.op == Op::kCheckVersion
                               ? Expected{.version = *nested.expected}
                               : Run(nested);
      if (one.wrote) result.wrote = true;
      result.bytes += "[" + one.Print() + "]";
    }
    return result;
  }

  int64_t now_ms_ = 0;
  Version version_;
  std::map<std::string, Value> keys_;
  std::map<std::pair<Slot, ClientId>, Row> rows_;
};

// ---- Generating commands. Few keys, values and times, so that things meet.

std::string AnyKey(const std::string& tag) {
  return tag + std::to_string(*rc::gen::inRange(0, 4));
}

std::string AnyValue() {
  return *rc::gen::element<std::string>("", "7", "-12", "word", "wordier",
                                        std::string(5000, 'z'));
}

int64_t AnyTime(const Model& model) {
  return model.now_ms() + *rc::gen::inRange<int64_t>(-200, 3'000);
}

Version AnyVersion(const Model& model, const std::string& key) {
  const auto found = model.keys().find(key);
  if (found == model.keys().end() || *rc::gen::inRange(0, 3) == 0) return {};
  return found->second.version;
}

TestCommand AnySingle(const Model& model, const std::string& tag) {
  TestCommand command;
  command.op = *rc::gen::element(
      Op::kGet, Op::kStrlen, Op::kGetRange, Op::kExists, Op::kMGet,
      Op::kExpireTime, Op::kType, Op::kSet, Op::kSet, Op::kSet, Op::kGetDel,
      Op::kDel, Op::kIncrBy, Op::kAppend, Op::kSetRange, Op::kMSet, Op::kGetBit,
      Op::kSetBit, Op::kExpireAt, Op::kExpireAt, Op::kPersist);
  command.slot = HashSlot(tag);
  command.arguments = {AnyKey(tag)};
  switch (command.op) {
    case Op::kSet:
      command.arguments.push_back(AnyValue());
      command.flags = *rc::gen::element<CommandFlags>(
          0, 0, kIfAbsent, kIfPresent, kReturnOld, kReturnOld | kIfAbsent,
          kKeepExpiry, kKeepExpiry | kReturnOld);
      if (!(command.flags & kKeepExpiry) && *rc::gen::inRange(0, 2) == 0) {
        command.expire_at_ms = AnyTime(model);
      }
      if (command.flags == 0 && *rc::gen::inRange(0, 3) == 0) {
        command.expected = AnyVersion(model, command.arguments[0]);
      }
      break;
    case Op::kDel:
      if (*rc::gen::inRange(0, 2) == 0) {
        command.expected = AnyVersion(model, command.arguments[0]);
      } else {
        command.arguments.push_back(AnyKey(tag));
      }
      break;
    case Op::kExists:
    case Op::kMGet:
      command.arguments.push_back(AnyKey(tag));
      break;
    case Op::kIncrBy:
      command.number_a = *rc::gen::inRange<int64_t>(-50, 50);
      break;
    case Op::kGetRange:
      command.number_a = *rc::gen::inRange<int64_t>(-9, 9);
      command.number_b = *rc::gen::inRange<int64_t>(-9, 9);
      break;
    case Op::kGetBit:
    case Op::kSetBit:
      command.number_a = *rc::gen::inRange<int64_t>(0, 99);
      break;
    case Op::kAppend:
      command.arguments.push_back(
          *rc::gen::element<std::string>("", "3", "tail"));
      break;
    case Op::kSetRange:
      command.number_a = *rc::gen::inRange<int64_t>(0, 9);
      command.arguments.push_back(
          *rc::gen::element<std::string>("", "7", "tail"));
      break;
    case Op::kMSet:
      command.arguments.push_back(AnyValue());
      command.arguments.push_back(AnyKey(tag));
      command.arguments.push_back(AnyValue());
      command.flags = *rc::gen::element<CommandFlags>(0, kIfAbsent);
      break;
    case Op::kExpireAt:
      command.expire_at_ms = AnyTime(model);
      command.flags = *rc::gen::element<CommandFlags>(
          0, kIfAbsent, kIfPresent, kIfGreater, kIfLess, kIfPresent | kIfLess);
      break;
    default:
      break;
  }
  return command;
}

TestCommand AnyCommand(const Model& model) {
  const std::string tag =
      kTags[*rc::gen::weightedElement<int>({{8, 0}, {4, 1}, {1, 2}})];
  TestCommand command;
  if (*rc::gen::inRange(0, 6) == 0) {
    command.op = Op::kAtomic;
    command.slot = HashSlot(tag);
    if (*rc::gen::inRange(0, 3) == 0) {
      TestCommand check{.op = Op::kCheckVersion,
                        .arguments = {AnyKey(tag)},
                        .slot = command.slot};
      check.expected = AnyVersion(model, check.arguments[0]);
      command.nested.push_back(check);
    }
    const int count = *rc::gen::inRange(0, 4);
    for (int i = 0; i < count; ++i) {
      command.nested.push_back(AnySingle(model, tag));
    }
  } else {
    command = AnySingle(model, tag);
  }
  if (*rc::gen::inRange(0, 3) == 0) {
    const auto sequence = *rc::gen::inRange<uint64_t>(1, 12);
    command.session = SessionStamp{
        .token = {ClientId(*rc::gen::inRange<uint64_t>(1, 4)),
                  *rc::gen::element<int64_t>(600'000, 600'000, 2'000'000)},
        .sequence = Sequence(sequence),
        .floor = Sequence(*rc::gen::inRange<uint64_t>(0, sequence + 1))};
  }
  return command;
}

void Encode(const TestCommand& command, BatchBuilder* batch) {
  if (command.op == Op::kAtomic) {
    batch->BeginAtomic(command.slot, command.session);
    for (const TestCommand& nested : command.nested) Encode(nested, batch);
    batch->EndAtomic();
    return;
  }
  std::vector<std::string_view> arguments(command.arguments.begin(),
                                          command.arguments.end());
  batch->Add({.op = command.op,
              .slot = command.slot,
              .flags = command.flags,
              .session = command.session,
              .expire_at_ms = command.expire_at_ms,
              .expected = command.expected,
              .numbers = {command.number_a, command.number_b},
              .arguments = arguments});
}

// A result in the model's form.
Expected Read(const ResultView& view) {
  Expected result{.status = view.status,
                  .kind = view.kind,
                  .wrote = view.wrote,
                  .duplicate = view.duplicate,
                  .version = view.version,
                  .integer = view.integer};
  if (view.kind == PayloadKind::kBytes) result.bytes = std::string(view.bytes);
  if (view.kind == PayloadKind::kArray) {
    ArrayReader array(view.bytes);
    std::string_view element;
    while (!array.done()) {
      result.bytes +=
          array.Next(&element) ? std::string(element) + ";" : "nil;";
    }
  }
  if (view.kind == PayloadKind::kNested) {
    ResultReader nested = ResultReader::Nested(view);
    RC_ASSERT(nested.ok());
    while (!nested.done()) {
      result.bytes += "[" + Read(nested.Next()).Print() + "]";
    }
  }
  return result;
}

std::unique_ptr<Store> NewStore() {
  StoreOptions options{.group = kGroup, .hash_key = kHashKey};
  for (uint16_t slot = 0; slot < kHashSlotCount; ++slot) {
    if (Slot(slot) == HashSlot(kForeignTag)) continue;
    options.owned.push_back({Slot(slot), Slot(slot)});
  }
  return std::make_unique<Store>(options);
}

// Everything in a store, through its read interface.
std::map<std::string, Model::Value> Contents(const Store& store) {
  std::map<std::string, Model::Value> contents;
  for (const char* tag : kTags) {
    const Slot slot = HashSlot(tag);
    int64_t cursor = static_cast<int64_t>(MakeCursor(slot, {}));
    while (cursor != 0) {
      const CommandSpec step = {.op = Op::kScan,
                                .slot = slot,
                                .numbers = {cursor, ScanBounds(slot, 1)}};
      store.Read(step, {}, [&](const ResultView& result) {
        ArrayReader reader(result.bytes);
        std::string_view bytes;
        RC_ASSERT(reader.Next(&bytes));
        RC_ASSERT(ParseInteger(bytes, &cursor));
        while (!reader.done()) {
          RC_ASSERT(reader.Next(&bytes));
          const Lookup found = store.Get(slot, bytes, {});
          RC_ASSERT(found.found());
          const Model::Value value = {std::string(found.value), found.version,
                                      found.expire_at_ms};
          RC_ASSERT(contents.emplace(std::string(bytes), value).second);
        }
      });
    }
  }
  return contents;
}

void CheckContents(const Store& store, const Model& model) {
  const std::map<std::string, Model::Value> contents = Contents(store);
  RC_ASSERT(contents.size() == model.keys().size());
  for (const auto& [key, value] : model.keys()) {
    const auto found = contents.find(key);
    RC_ASSERT(found != contents.end());
    RC_ASSERT(found->second.bytes == value.bytes);
    RC_ASSERT(found->second.version == value.version);
    RC_ASSERT(found->second.expire_at_ms == value.expire_at_ms);
    const Lookup got = store.Get(HashSlot(key), key, {});
    RC_ASSERT(got.found());
    RC_ASSERT(got.value == value.bytes);
  }
}

// A snapshot on its way from one store into another, a few bytes at a time.
struct Transfer {
  std::unique_ptr<raft::SnapshotReader> reader;
  std::unique_ptr<Store> to;
  std::unique_ptr<raft::SnapshotWriter> writer;
  uint64_t digest = 0;
  std::vector<raft::Entry> since;

  void Move(size_t size_bytes_max) {
    const Buffer piece = reader->Next(size_bytes_max);
    RC_ASSERT(writer->Add(piece.view()).ok());
  }
  void Finish() {
    while (true) {
      const Buffer piece = reader->Next(1 << 16);
      if (piece.empty()) break;
      RC_ASSERT(writer->Add(piece.view()).ok());
    }
    RC_ASSERT(writer->Commit().ok());
  }
};

class History {
 public:
  void Step() {
    if (*rc::gen::inRange(0, 20) == 0) BeginTransfer();
    if (transfer_ != nullptr) transfer_->Move(*rc::gen::inRange(1, 300));
    if (transfer_ != nullptr && *rc::gen::inRange(0, 6) == 0) EndTransfer();
    ApplyEntry();
  }
  void Finish() {
    if (transfer_ == nullptr) BeginTransfer();
    EndTransfer();
    CheckContents(*store_, model_);
  }

 private:
  void ApplyEntry() {
    log_time_ms_ += *rc::gen::weightedElement<int64_t>(
        {{6, 0}, {6, 40}, {3, 900}, {1, 400'000}, {1, 1'900'000}});
    raft::Entry entry;
    entry.index = ++index_;
    entry.log_time = WallTime(log_time_ms_ * 1'000'000);
    model_.MoveTo(log_time_ms_);
    const int count = *rc::gen::inRange(0, 6);
    std::vector<Expected> expected;
    BatchBuilder batch;
    for (int i = 0; i < count; ++i) {
      const TestCommand command = AnyCommand(model_);
      Encode(command, &batch);
      const Version version{kGroup, entry.index, static_cast<uint32_t>(i)};
      expected.push_back(model_.Apply(command, version));
    }
    model_.EndEntry();
    entry.payload = batch.Finish();
    if (transfer_ != nullptr) transfer_->since.push_back(entry);
    const Buffer results = store_->Apply(entry, /*wants_result=*/true);
    RC_ASSERT(ResultsAnswer(results.view(), entry.payload.view(),
                            static_cast<uint32_t>(expected.size())));
    ResultReader reader(results.view());
    RC_ASSERT(reader.count() == expected.size());
    for (const Expected& each : expected)
      RC_ASSERT(Read(reader.Next()) == each);
    RC_ASSERT(store_->Digest() == store_->RecomputeDigest());
  }

  void BeginTransfer() {
    if (transfer_ != nullptr) return;
    transfer_ = std::make_unique<Transfer>();
    transfer_->reader = store_->TakeSnapshot();
    transfer_->to = NewStore();
    transfer_->writer = transfer_->to->BeginRestore({});
    transfer_->digest = store_->Digest();
  }

  // The snapshot is the state when it was taken. Replaying the entries applied
  // since gives the present state. The history continues with the copy.
  void EndTransfer() {
    transfer_->Finish();
    RC_ASSERT(transfer_->to->Digest() == transfer_->digest);
    for (const raft::Entry& entry : transfer_->since) {
      RC_ASSERT(transfer_->to->Apply(entry, /*wants_result=*/false).empty());
    }
    RC_ASSERT(transfer_->to->Digest() == store_->Digest());
    RC_ASSERT(transfer_->to->RecomputeDigest() == store_->Digest());
    RC_ASSERT(transfer_->to->key_count() == store_->key_count());
    RC_ASSERT(transfer_->to->size_bytes() == store_->size_bytes());
    RC_ASSERT(transfer_->to->expiring_key_count() ==
              store_->expiring_key_count());
    RC_ASSERT(transfer_->to->session_count() == store_->session_count());
    store_ = std::move(transfer_->to);
    transfer_ = nullptr;
  }

  Model model_;
  std::unique_ptr<Store> store_ = NewStore();
  std::unique_ptr<Transfer> transfer_;
  raft::Index index_{0};
  int64_t log_time_ms_ = 1'000;
};

RC_GTEST_PROP(Store, AnyHistory_AgreesWithTheModelAndWithItsCopies, ()) {
  History history;
  const int steps = *rc::gen::inRange(1, 80);
  for (int i = 0; i < steps; ++i) history.Step();
  history.Finish();
}

}  // namespace
}  // namespace quorate::kv
