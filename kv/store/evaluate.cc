#include "kv/store/evaluate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "env/check.h"
#include "env/parse_integer.h"
#include "kv/command/decimal.h"
#include "kv/store/read.h"

namespace quorate::kv {
namespace {

// Evaluates one command. A null builder discards results.
class Evaluator {
 public:
  Evaluator(const Evaluation& evaluation, ResultBuilder* results)
      : keyspace_(evaluation.keyspace),
        now_ms_(evaluation.now_ms),
        version_(evaluation.version),
        payload_(evaluation.payload),
        rows_expired_(evaluation.rows_expired),
        key_reads_(evaluation.key_reads),
        results_(results) {}

  // Returns true if the command changed something.
  bool Run(const CommandView& command);

 private:
  using Key = Keyspace::Key;

  bool Read(const CommandView& command);
  bool Watch(const CommandView& command);
  bool Set(const CommandView& command);
  bool GetDel(const CommandView& command);
  bool Del(const CommandView& command);
  bool IncrBy(const CommandView& command);
  bool IncrByFloat(const CommandView& command);
  bool Append(const CommandView& command);
  bool SetRange(const CommandView& command);
  bool SetBit(const CommandView& command);
  bool MSet(const CommandView& command);
  bool ExpireAt(const CommandView& command);
  bool Persist(const CommandView& command);
  bool Atomic(const CommandView& command);
  bool Flush(const CommandView& command);
  bool Expire(const CommandView& command);

  // Whether the condition of a kCheckVersion holds.
  bool Holds(const CommandView& check);
  // The longest value to which a command may extend an existing one.
  static size_t GrowthMax(int64_t number) {
    const auto most = static_cast<int64_t>(kValueBytesMax);
    return static_cast<size_t>(number <= 0 ? most : std::min(number, most));
  }
  Key NextKey(const CommandView& command, ArgumentReader* arguments) const {
    return keyspace_.MakeKey(command.slot, arguments->Next());
  }
  // The only or the first key of a command.
  Key FirstKey(const CommandView& command) const {
    ArgumentReader arguments = command.arguments;
    return NextKey(command, &arguments);
  }
  // Finds a key for a write, after removing the key if it is due.
  const Record* FindForWrite(const Key& key);
  bool VersionIs(const Record* record, const Version& expected) const {
    return record == nullptr ? expected.none() : record->version() == expected;
  }
  // True if a kSet does the same whatever the key was. A due key is removed
  // before a write, which counts.
  bool Overwrites(const CommandView& command) const {
    constexpr CommandFlags kLooks =
        kIfAbsent | kIfPresent | kReturnOld | kKeepExpiry;
    return (command.flags & kLooks) == 0 && !command.has_expected &&
           keyspace_.first_due_ms().value_or(now_ms_ + 1) > now_ms_;
  }
  // The new value as a source to share or to copy.
  ValueSource Arrived(std::string_view value);
  // Puts the key, or removes it if its expiry is due already.
  void Write(const Key& key, const ValueSource& value, int64_t expire_at_ms,
             bool has_expiry);

  void CountRead(const Record* record) {
    if (key_reads_ == nullptr) return;
    key_reads_->Add(record == nullptr ? 0 : 1, record == nullptr ? 1 : 0);
  }
  bool MayReturn(size_t bytes) {
    return kv::MayReturn(bytes, &returned_bytes_);
  }
  bool ReplyTooLarge(const Version& version) {
    return ReplyNone(ResultStatus::kTooLarge, version, /*wrote=*/false);
  }

  // Results. Each function returns `wrote`.
  ResultView Head(ResultStatus status, const Version& version, bool wrote) {
    return {.status = status, .wrote = wrote, .version = version};
  }
  bool ReplyNone(ResultStatus status, const Version& version, bool wrote) {
    if (results_ != nullptr) results_->AddNone(Head(status, version, wrote));
    return wrote;
  }
  bool ReplyInteger(int64_t value, const Version& version, bool wrote) {
    if (results_ != nullptr) {
      results_->AddInteger(Head(ResultStatus::kOk, version, wrote), value);
    }
    return wrote;
  }
  bool ReplyBytes(ResultStatus status, std::string_view bytes,
                  const Version& version, bool wrote) {
    if (results_ != nullptr) {
      results_->AddBytes(Head(status, version, wrote), bytes);
    }
    return wrote;
  }
  bool ReplyNil() { return ReplyNone(ResultStatus::kNil, Version{}, false); }

  Keyspace& keyspace_;
  const int64_t now_ms_;
  const Version version_;
  const Buffer& payload_;
  const size_t rows_expired_;
  KeyReads* const key_reads_;
  ResultBuilder* results_;
  Buffer slice_;  // Keeps the shared value that is being written.
  size_t returned_bytes_ = 0;
};

Version VersionOf(const Record* record) {
  return record == nullptr ? Version{} : record->version();
}

const Record* Evaluator::FindForWrite(const Key& key) {
  const Record* record = keyspace_.FindEvenIfDue(key);
  if (record == nullptr) return nullptr;
  const int64_t expire_at_ms = record->expire_at_ms();
  if (expire_at_ms == 0 || expire_at_ms > now_ms_) return record;
  keyspace_.EraseExpired(key, version_);
  return nullptr;
}

ValueSource Evaluator::Arrived(std::string_view value) {
  if (value.size() < kSharedValueBytesMin ||
      value.size() <
          payload_.block_size() - payload_.block_size() / kUnusedShareOfBlock) {
    return {.head = value};
  }
  slice_ = SliceOf(payload_, value);
  return {.shared = &slice_};
}

void Evaluator::Write(const Key& key, const ValueSource& value,
                      int64_t expire_at_ms, bool has_expiry) {
  if (has_expiry && expire_at_ms <= now_ms_) {
    keyspace_.Erase(key, version_);
    return;
  }
  keyspace_.Put(key, value, version_, expire_at_ms);
}

bool Evaluator::Read(const CommandView& command) {
  const bool done =
      EvaluateRead({.keyspace = keyspace_,
                    .time = {.log_ms = now_ms_},
                    .version = version_,
                    .returned_bytes = &returned_bytes_,
                    .key_reads = key_reads_},
                   ReadCommand<ArgumentReader>{.op = command.op,
                                               .slot = command.slot,
                                               .numbers = command.numbers,
                                               .arguments = command.arguments},
                   [this](const ResultView& result) {
                     if (results_ != nullptr) results_->Add(result);
                   });
  CHECK(done) << "log time decides in an entry";
  return false;
}

bool Evaluator::Watch(const CommandView& command) {
  // Removes the key if it is due, so that its removal is none between WATCH and
  // EXEC.
  FindForWrite(FirstKey(command));
  return Read(command);
}

bool Evaluator::Holds(const CommandView& check) {
  // Removes the key if it is due: it may have been set after the WATCH.
  const Record* record = FindForWrite(FirstKey(check));
  if ((check.flags & kIfAbsent) == 0) return VersionIs(record, check.expected);
  return record == nullptr &&
         keyspace_.last_removal(check.slot) == check.expected;
}

bool Evaluator::Set(const CommandView& command) {
  ArgumentReader arguments = command.arguments;
  const Key key = NextKey(command, &arguments);
  const std::string_view value = arguments.Next();
  const Record* old = Overwrites(command) ? nullptr : FindForWrite(key);
  bool holds = true;
  if (command.has_expected) holds = VersionIs(old, command.expected);
  if ((command.flags & kIfAbsent) != 0) holds = old == nullptr;
  if ((command.flags & kIfPresent) != 0) holds = old != nullptr;
  const ResultStatus status =
      holds ? ResultStatus::kOk : ResultStatus::kConditionFailed;
  const Version version = holds ? version_ : VersionOf(old);
  if ((command.flags & kReturnOld) != 0) CountRead(old);
  if ((command.flags & kReturnOld) != 0 && old != nullptr) {
    if (!MayReturn(old->value().size())) return ReplyTooLarge(old->version());
    ReplyBytes(status, old->value(), version, holds);
  } else {
    ReplyNone(status, version, holds);
  }
  if (!holds) return false;
  int64_t expire_at_ms = command.has_expiry ? DueOf(command, now_ms_) : 0;
  if ((command.flags & kKeepExpiry) != 0 && old != nullptr) {
    expire_at_ms = old->expire_at_ms();
  }
  Write(key, Arrived(value), expire_at_ms, command.has_expiry);
  return true;
}

bool Evaluator::GetDel(const CommandView& command) {
  const Key key = FirstKey(command);
  const Record* record = FindForWrite(key);
  CountRead(record);
  if (record == nullptr) return ReplyNil();
  if (!MayReturn(record->value().size())) {
    return ReplyTooLarge(record->version());
  }
  ReplyBytes(ResultStatus::kOk, record->value(), record->version(),
             /*wrote=*/true);
  keyspace_.Erase(key, version_);
  return true;
}

bool Evaluator::Del(const CommandView& command) {
  if (command.has_expected) {
    const Record* record = FindForWrite(FirstKey(command));
    if (!VersionIs(record, command.expected)) {
      return ReplyNone(ResultStatus::kConditionFailed, VersionOf(record),
                       /*wrote=*/false);
    }
  }
  int64_t removed = 0;
  ForEachKey(keyspace_, command, [&](const Key& key) {
    if (FindForWrite(key) != nullptr && keyspace_.Erase(key, version_)) {
      ++removed;
    }
    return true;
  });
  return ReplyInteger(removed, version_, removed > 0);
}

bool Evaluator::IncrBy(const CommandView& command) {
  const Key key = FirstKey(command);
  const Record* old = FindForWrite(key);
  int64_t value = 0;
  if (old != nullptr && !ParseInteger(old->value(), &value)) {
    return ReplyNone(ResultStatus::kNotInteger, old->version(),
                     /*wrote=*/false);
  }
  if (__builtin_add_overflow(value, command.numbers[0], &value)) {
    return ReplyNone(ResultStatus::kOverflow, VersionOf(old),
                     /*wrote=*/false);
  }
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  keyspace_.Put(key, {.head = text}, version_,
                old == nullptr ? 0 : old->expire_at_ms());
  return ReplyInteger(value, version_, /*wrote=*/true);
}

bool Evaluator::IncrByFloat(const CommandView& command) {
  ArgumentReader arguments = command.arguments;
  const Key key = NextKey(command, &arguments);
  const std::optional<Decimal> delta = Decimal::Parse(arguments.Next());
  const Record* old = FindForWrite(key);
  const std::optional<Decimal> value =
      old == nullptr ? Decimal() : Decimal::Parse(old->value());
  if (!value.has_value() || !delta.has_value()) {
    return ReplyNone(ResultStatus::kNotFloat, VersionOf(old), /*wrote=*/false);
  }
  const Decimal total = Decimal::Sum(*value, *delta);
  const std::string sum = total.Text();
  if (!total.InRange()) {
    return ReplyNone(ResultStatus::kOverflow, VersionOf(old), /*wrote=*/false);
  }
  if (sum.size() > GrowthMax(command.numbers[0])) {
    return ReplyNone(ResultStatus::kTooLarge, VersionOf(old), /*wrote=*/false);
  }
  keyspace_.Put(key, {.head = sum}, version_,
                old == nullptr ? 0 : old->expire_at_ms());
  return ReplyBytes(ResultStatus::kOk, sum, version_, /*wrote=*/true);
}

bool Evaluator::Append(const CommandView& command) {
  ArgumentReader arguments = command.arguments;
  const Key key = NextKey(command, &arguments);
  const std::string_view suffix = arguments.Next();
  const Record* old = FindForWrite(key);
  const std::string_view before =
      old == nullptr ? std::string_view() : old->value();
  const size_t size = before.size() + suffix.size();
  if (old != nullptr && suffix.empty()) {
    keyspace_.SetExpiry(key, version_, old->expire_at_ms());
    return ReplyInteger(static_cast<int64_t>(size), version_, /*wrote=*/true);
  }
  if (size > GrowthMax(command.numbers[0])) {
    return ReplyNone(ResultStatus::kTooLarge, VersionOf(old), /*wrote=*/false);
  }
  keyspace_.Put(key, {.head = before, .tail = suffix}, version_,
                old == nullptr ? 0 : old->expire_at_ms());
  return ReplyInteger(static_cast<int64_t>(size), version_, /*wrote=*/true);
}

bool Evaluator::SetRange(const CommandView& command) {
  ArgumentReader arguments = command.arguments;
  const Key key = NextKey(command, &arguments);
  const std::string_view bytes = arguments.Next();
  const Record* old = FindForWrite(key);
  std::string value(old == nullptr ? std::string_view() : old->value());
  if (bytes.empty()) {
    return ReplyInteger(static_cast<int64_t>(value.size()), VersionOf(old),
                        /*wrote=*/false);
  }
  const int64_t offset = command.numbers[0];
  // A value above the limit may still be overwritten within its length.
  const auto longest = static_cast<int64_t>(
      std::max(GrowthMax(command.numbers[1]), value.size()));
  if (offset < 0 || offset > longest ||
      offset + static_cast<int64_t>(bytes.size()) > longest) {
    return ReplyNone(ResultStatus::kTooLarge, VersionOf(old), /*wrote=*/false);
  }
  const auto begin = static_cast<size_t>(offset);
  value.resize(std::max(value.size(), begin + bytes.size()));
  value.replace(begin, bytes.size(), bytes);
  keyspace_.Put(key, {.head = value}, version_,
                old == nullptr ? 0 : old->expire_at_ms());
  return ReplyInteger(static_cast<int64_t>(value.size()), version_,
                      /*wrote=*/true);
}

bool Evaluator::SetBit(const CommandView& command) {
  const Key key = FirstKey(command);
  const Record* old = FindForWrite(key);
  std::string value(old == nullptr ? std::string_view() : old->value());
  const int64_t bit = command.numbers[0] >> 1;
  // A value above the limit may still be changed within its length.
  const auto longest = static_cast<int64_t>(
      std::max(GrowthMax(command.numbers[1]), value.size()));
  if (bit < 0 || bit / 8 >= longest) {
    return ReplyNone(ResultStatus::kTooLarge, VersionOf(old), /*wrote=*/false);
  }
  const bool before = ValueBit(value, bit);
  const auto at = static_cast<size_t>(bit / 8);
  const bool set = (command.numbers[0] & 1) != 0;
  if (old != nullptr && at < value.size() && before == set) {
    return ReplyInteger(before ? 1 : 0, old->version(), /*wrote=*/false);
  }
  value.resize(std::max(value.size(), at + 1));
  const int mask = 0x80 >> (bit % 8);
  value[at] = static_cast<char>(set ? value[at] | mask : value[at] & ~mask);
  keyspace_.Put(key, {.head = value}, version_,
                old == nullptr ? 0 : old->expire_at_ms());
  return ReplyInteger(before ? 1 : 0, version_, /*wrote=*/true);
}

bool Evaluator::MSet(const CommandView& command) {
  ArgumentReader arguments = command.arguments;
  if ((command.flags & kIfAbsent) != 0) {
    bool any = false;
    while (arguments.count() > 0) {
      if (FindForWrite(NextKey(command, &arguments)) != nullptr) any = true;
      arguments.Next();
    }
    if (any) {
      return ReplyNone(ResultStatus::kConditionFailed, version_,
                       /*wrote=*/false);
    }
    arguments = command.arguments;
  }
  while (arguments.count() > 0) {
    const Key key = NextKey(command, &arguments);
    keyspace_.Put(key, Arrived(arguments.Next()), version_,
                  /*expire_at_ms=*/0);
  }
  return ReplyNone(ResultStatus::kOk, version_, /*wrote=*/true);
}

bool Evaluator::ExpireAt(const CommandView& command) {
  const Key key = FirstKey(command);
  const Record* record = FindForWrite(key);
  if (record == nullptr) return ReplyInteger(0, Version{}, /*wrote=*/false);
  const int64_t old = record->expire_at_ms();
  const int64_t fresh = DueOf(command, now_ms_);
  bool holds = true;
  if ((command.flags & kIfAbsent) != 0) holds = old == 0;
  if ((command.flags & kIfPresent) != 0) holds = old != 0;
  if ((command.flags & kIfGreater) != 0) holds = old != 0 && fresh > old;
  if ((command.flags & kIfLess) != 0) {
    holds = old == 0 ? (command.flags & kIfPresent) == 0 : fresh < old;
  }
  if (!holds) return ReplyInteger(0, record->version(), /*wrote=*/false);
  if (fresh <= now_ms_) {
    keyspace_.Erase(key, version_);
  } else {
    keyspace_.SetExpiry(key, version_, fresh);
  }
  return ReplyInteger(1, version_, /*wrote=*/true);
}

bool Evaluator::Persist(const CommandView& command) {
  const Key key = FirstKey(command);
  const Record* record = FindForWrite(key);
  if (record == nullptr || record->expire_at_ms() == 0) {
    return ReplyInteger(0, VersionOf(record), /*wrote=*/false);
  }
  keyspace_.SetExpiry(key, version_, /*expire_at_ms=*/0);
  return ReplyInteger(1, version_, /*wrote=*/true);
}

bool Evaluator::Atomic(const CommandView& command) {
  CommandView nested;
  CommandReader checks = CommandReader::Nested(command);
  while (!checks.done()) {
    CHECK(checks.Next(&nested)) << "checked when the kAtomic was decoded";
    if (nested.op != Op::kCheckVersion) break;
    if (!Holds(nested)) {
      return ReplyNone(ResultStatus::kConditionFailed, version_,
                       /*wrote=*/false);
    }
  }
  if (results_ != nullptr) {
    results_->BeginNested(Head(ResultStatus::kOk, version_, /*wrote=*/false));
  }
  bool wrote = false;
  CommandReader reader = CommandReader::Nested(command);
  while (!reader.done()) {
    CHECK(reader.Next(&nested)) << "checked when the kAtomic was decoded";
    if (Run(nested)) wrote = true;
  }
  if (results_ != nullptr) results_->EndNested(wrote);
  return wrote;
}

bool Evaluator::Flush(const CommandView& command) {
  const SlotRange slots{Slot(static_cast<uint16_t>(command.numbers[0])),
                        Slot(static_cast<uint16_t>(command.numbers[1]))};
  const uint64_t removed = keyspace_.DropSlots(slots, version_);
  return ReplyInteger(static_cast<int64_t>(removed), version_, removed > 0);
}

bool Evaluator::Expire(const CommandView& command) {
  const size_t removed =
      rows_expired_ + keyspace_.Expire(now_ms_,
                                       static_cast<size_t>(command.numbers[0]),
                                       version_);
  return ReplyInteger(static_cast<int64_t>(removed), version_, removed > 0);
}

bool Evaluator::Run(const CommandView& command) {
  switch (command.op) {
    case Op::kGet:
    case Op::kStrlen:
    case Op::kGetRange:
    case Op::kExists:
    case Op::kMGet:
    case Op::kExpireTime:
    case Op::kType:
    case Op::kKeyCount:
    case Op::kScan:
    case Op::kTtl:
    case Op::kGetBit:
    case Op::kMGetOfSlots:
    case Op::kExistsOfSlots:
      return Read(command);
    case Op::kWatch:
      return Watch(command);
    case Op::kSet:
      return Set(command);
    case Op::kGetDel:
      return GetDel(command);
    case Op::kDel:
      return Del(command);
    case Op::kIncrBy:
      return IncrBy(command);
    case Op::kIncrByFloat:
      return IncrByFloat(command);
    case Op::kAppend:
      return Append(command);
    case Op::kSetRange:
      return SetRange(command);
    case Op::kSetBit:
      return SetBit(command);
    case Op::kMSet:
      return MSet(command);
    case Op::kExpireAt:
      return ExpireAt(command);
    case Op::kPersist:
      return Persist(command);
    case Op::kAtomic:
      return Atomic(command);
    case Op::kCheckVersion:
      return ReplyNone(ResultStatus::kOk, command.expected, /*wrote=*/false);
    case Op::kFlush:
      return Flush(command);
    case Op::kExpire:
      return Expire(command);
    case Op::kMove:
      break;  // No command on keys.
  }
  CHECK(false) << "op " << static_cast<int>(command.op);
  return false;
}

}  // namespace

void Evaluate(const Evaluation& evaluation, const CommandView& command,
              ResultBuilder* results) {
  Evaluator(evaluation, results).Run(command);
}

}  // namespace quorate::kv
