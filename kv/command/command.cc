#include "kv/command/command.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "env/check.h"
#include "env/kept_memory.h"
#include "env/little_endian.h"
#include "kv/slots/keyed_hash.h"
#include "kv/slots/slot_scan.h"

namespace quorate::kv {
namespace {

constexpr size_t kBatchHeaderBytes = 8;
constexpr size_t kCommandHeaderBytes = 16;
constexpr size_t kStampBytes = 32;
constexpr size_t kExpiryBytes = 8;
constexpr size_t kVersionBytes = 16;
constexpr size_t kNumbersBytes = 16;

// Offsets of header fields in a command.
constexpr size_t kOpOffset = 4;
constexpr size_t kPresentOffset = 5;
constexpr size_t kFlagsOffset = 6;
constexpr size_t kSlotOffset = 8;
constexpr size_t kCountOffset = 12;

// Bits of the optional fields that follow the header, in this order.
constexpr uint8_t kHasSession = 1 << 0;
constexpr uint8_t kHasExpiry = 1 << 1;
constexpr uint8_t kHasExpected = 1 << 2;
constexpr uint8_t kHasNumbers = 1 << 3;
constexpr uint8_t kHasAll = 0x0f;

enum class Access : uint8_t { kRead, kWrite };
enum class Need : uint8_t { kNever, kMay, kMust };

struct ArgumentCount {
  uint32_t min;
  uint32_t max;
  // Arguments come in groups of this size, each beginning with a key; 0: no
  // argument is a key.
  uint32_t step;
};

constexpr uint32_t kMany = std::numeric_limits<uint32_t>::max();
constexpr ArgumentCount kNoArguments = {0, 0, 0};
constexpr ArgumentCount kOneArgument = {1, 1, 0};
constexpr ArgumentCount kOneKey = {1, 1, 1};
constexpr ArgumentCount kKeys = {1, kMany, 1};
constexpr ArgumentCount kKeyAndValue = {2, 2, 2};
constexpr ArgumentCount kKeysAndValues = {2, kMany, 2};
constexpr ArgumentCount kCommands = {0, kMany, 0};

constexpr CommandFlags kSetFlags =
    kIfAbsent | kIfPresent | kReturnOld | kKeepExpiry | kRelativeExpiry;
constexpr CommandFlags kExpireAtFlags =
    kIfAbsent | kIfPresent | kIfGreater | kIfLess | kRelativeExpiry;

// The fields that a command of one op may have.
struct Rule {
  Op op;
  std::string_view name;
  Access access;
  ArgumentCount arguments;
  Need numbers = Need::kNever;
  CommandFlags flags = 0;
  Need expiry = Need::kNever;
  Need expected = Need::kNever;
};

// Op, name, access, arguments; numbers, flags, expiry, expected.
constexpr Rule kRules[] = {
    {Op::kGet, "get", Access::kRead, kOneKey},
    {Op::kStrlen, "strlen", Access::kRead, kOneKey},
    {Op::kGetRange, "getrange", Access::kRead, kOneKey, Need::kMust},
    {Op::kExists, "exists", Access::kRead, kKeys},
    {Op::kMGet, "mget", Access::kRead, kKeys},
    {Op::kExpireTime, "expiretime", Access::kRead, kOneKey},
    {Op::kType, "type", Access::kRead, kOneKey},
    {Op::kKeyCount, "keycount", Access::kRead, kNoArguments, Need::kMust},
    {Op::kScan, "scan", Access::kRead, kNoArguments, Need::kMust},
    {Op::kTtl, "ttl", Access::kRead, kOneKey},
    {Op::kWatch, "watch", Access::kRead, kOneKey},
    {Op::kGetBit, "getbit", Access::kRead, kOneKey, Need::kMust},
    {Op::kMGetOfSlots, "mgetofslots", Access::kRead, kKeys},
    {Op::kExistsOfSlots, "existsofslots", Access::kRead, kKeys},
    {Op::kSet, "set", Access::kWrite, kKeyAndValue, Need::kNever, kSetFlags,
     Need::kMay, Need::kMay},
    {Op::kGetDel, "getdel", Access::kWrite, kOneKey},
    {Op::kDel, "del", Access::kWrite, kKeys, Need::kNever, 0, Need::kNever,
     Need::kMay},
    {Op::kIncrBy, "incrby", Access::kWrite, kOneKey, Need::kMust},
    {Op::kAppend, "append", Access::kWrite, kKeyAndValue, Need::kMust},
    {Op::kMSet, "mset", Access::kWrite, kKeysAndValues, Need::kNever,
     kIfAbsent},
    {Op::kExpireAt, "expireat", Access::kWrite, kOneKey, Need::kNever,
     kExpireAtFlags, Need::kMust},
    {Op::kPersist, "persist", Access::kWrite, kOneKey},
    {Op::kSetRange, "setrange", Access::kWrite, kKeyAndValue, Need::kMust},
    {Op::kIncrByFloat, "incrbyfloat", Access::kWrite, kKeyAndValue,
     Need::kMust},
    {Op::kSetBit, "setbit", Access::kWrite, kOneKey, Need::kMust},
    {Op::kAtomic, "atomic", Access::kWrite, kCommands},
    {Op::kCheckVersion, "checkversion", Access::kRead, kOneKey, Need::kNever,
     kIfAbsent, Need::kNever, Need::kMust},
    {Op::kFlush, "flush", Access::kWrite, kNoArguments, Need::kMust},
    {Op::kExpire, "expire", Access::kWrite, kNoArguments, Need::kMust},
    {Op::kMove, "move", Access::kWrite, kOneArgument, Need::kMust},
};

constexpr size_t kOpLimit = static_cast<size_t>(Op::kMove) + 1;

constexpr std::array<const Rule*, kOpLimit> MakeRuleOfOp() {
  std::array<const Rule*, kOpLimit> rules = {};
  for (const Rule& rule : kRules) rules[static_cast<size_t>(rule.op)] = &rule;
  return rules;
}

constexpr std::array<const Rule*, kOpLimit> kRuleOfOp = MakeRuleOfOp();

const Rule* FindRule(Op op) {
  const auto number = static_cast<size_t>(op);
  return number < kOpLimit ? kRuleOfOp[number] : nullptr;
}

// Requires: there is one.
const Rule& RuleOf(Op op) {
  const Rule* const rule = FindRule(op);
  CHECK(rule != nullptr) << "op " << static_cast<int>(op);
  return *rule;
}

bool Fits(Need need, bool present) {
  return present ? need != Need::kNever : need != Need::kMust;
}

// At most one condition (XX may go with LT), and at most one rule for the
// expiry.
bool FlagsAgree(const CommandView& command) {
  const CommandFlags conditions =
      command.flags & (kIfAbsent | kIfPresent | kIfGreater | kIfLess);
  if ((conditions & (conditions - 1)) != 0 &&
      conditions != (kIfPresent | kIfLess)) {
    return false;
  }
  if (command.has_expected && conditions != 0 &&
      command.op != Op::kCheckVersion) {
    return false;
  }
  return command.has_expiry ? (command.flags & kKeepExpiry) == 0
                            : (command.flags & kRelativeExpiry) == 0;
}

// Fields of a command, collected to be appended at once.
class Fields {
 public:
  template <typename T>
  void Add(T value) {
    StoreFixed<T>(bytes_ + size_, value);
    size_ += sizeof(T);
  }
  void AddStamp(const SessionStamp& stamp) {
    Add<uint64_t>(stamp.token.client.value());
    Add<int64_t>(stamp.token.open_until_ms);
    Add<uint64_t>(stamp.sequence.value());
    Add<uint64_t>(stamp.floor.value());
  }
  void AppendTo(std::string* out) {
    out->append(bytes_, size_);
    size_ = 0;
  }

 private:
  // The size of an argument follows.
  static constexpr size_t kBytesMax = kCommandHeaderBytes + kStampBytes +
                                      kExpiryBytes + kVersionBytes +
                                      kNumbersBytes + sizeof(uint32_t);
  char bytes_[kBytesMax];
  size_t size_ = 0;
};

SessionStamp TakeStamp(FixedReader* reader) {
  SessionStamp stamp;
  stamp.token.client = ClientId(reader->Take<uint64_t>());
  stamp.token.open_until_ms = reader->Take<int64_t>();
  stamp.sequence = Sequence(reader->Take<uint64_t>());
  stamp.floor = Sequence(reader->Take<uint64_t>());
  return stamp;
}

bool StampMakesSense(const SessionStamp& stamp) {
  return stamp.token.client != ClientId{} && stamp.sequence != Sequence{} &&
         stamp.floor <= stamp.sequence;
}

// Reads the fields between header and arguments. Returns false if they are cut
// off, or if the stamp is invalid.
bool TakeFields(FixedReader* reader, uint8_t present, CommandView* command) {
  command->has_session = (present & kHasSession) != 0;
  command->has_expiry = (present & kHasExpiry) != 0;
  command->has_expected = (present & kHasExpected) != 0;
  if (command->has_session) {
    command->session = TakeStamp(reader);
    if (!StampMakesSense(command->session)) return false;
  }
  if (command->has_expiry) command->expire_at_ms = reader->Take<int64_t>();
  if (command->has_expected) {
    command->expected.group = GroupId(reader->Take<uint32_t>());
    command->expected.position = reader->Take<uint32_t>();
    command->expected.index = raft::Index(reader->Take<uint64_t>());
  }
  if ((present & kHasNumbers) != 0) {
    command->numbers[0] = reader->Take<int64_t>();
    command->numbers[1] = reader->Take<int64_t>();
  }
  return reader->ok();
}

// True if `bytes` are exactly `count` length-prefixed strings and no key among
// them is too long. Each key has `prefix_bytes` before it. `step`: see
// ArgumentCount.
bool ArgumentsFit(std::string_view bytes, uint32_t count, uint32_t step,
                  size_t prefix_bytes) {
  FixedReader reader(bytes);
  uint32_t until_key = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const auto size = reader.Take<uint32_t>();
    reader.TakeBytes(size);
    if (!reader.ok()) return false;
    if (step == 0) continue;
    if (until_key == 0) {
      if (size < prefix_bytes || size - prefix_bytes > kKeyBytesMax) {
        return false;
      }
      until_key = step;
    }
    --until_key;
  }
  return reader.rest().empty();
}

// True if the sizes of `count` commands exactly fill `bytes`.
bool FramesFit(std::string_view bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (bytes.size() < kCommandHeaderBytes) return false;
    const auto size = LoadFixed<uint32_t>(bytes.data());
    if (size < kCommandHeaderBytes || size > bytes.size()) return false;
    bytes.remove_prefix(size);
  }
  return bytes.empty();
}

// True if every nested command is valid, may be nested, and has the slot of
// `atomic`. Version checks must come first.
bool NestedFit(const CommandView& atomic) {
  if (!FramesFit(atomic.nested, atomic.nested_count)) return false;
  CommandReader reader = CommandReader::Nested(atomic);
  bool checks = true;
  while (!reader.done()) {
    CommandView nested;
    if (!reader.Next(&nested)) return false;
    if (nested.slot != atomic.slot) return false;
    if (nested.op == Op::kCheckVersion) {
      if (!checks) return false;
    } else {
      checks = false;
    }
  }
  return true;
}

// True if the op is allowed at this level: some ops are allowed only at the
// top, others only nested.
bool PlaceFits(const CommandView& command, bool nested) {
  if (nested) {
    return !command.has_session && command.op != Op::kAtomic &&
           command.op != Op::kExpire && command.op != Op::kMove &&
           !NamesSlots(command.op) &&
           !SlotsOf(command.op, command.numbers).has_value();
  }
  return command.op != Op::kCheckVersion &&
         !(command.has_session &&
           (command.op == Op::kExpire || command.op == Op::kMove));
}

bool Decode(std::string_view encoded, uint32_t rules, bool nested,
            CommandView* command) {
  // In place: an assignment would copy a temporary object.
  std::construct_at(command);
  command->encoded = encoded;
  command->rules = rules;
  const char* header = encoded.data();
  command->op = static_cast<Op>(LoadFixed<uint8_t>(header + kOpOffset));
  const auto present = LoadFixed<uint8_t>(header + kPresentOffset);
  command->flags = LoadFixed<uint16_t>(header + kFlagsOffset);
  command->slot = Slot(LoadFixed<uint16_t>(header + kSlotOffset));
  const auto zero = LoadFixed<uint16_t>(header + kSlotOffset + 2);
  const auto count = LoadFixed<uint32_t>(header + kCountOffset);

  const Rule* rule = FindRule(command->op);
  if (rule == nullptr) return false;
  if (zero != 0 || (present & ~kHasAll) != 0) return false;
  if ((command->flags & ~rule->flags) != 0) return false;
  if (count < rule->arguments.min || count > rule->arguments.max) return false;
  if (rule->arguments.step > 1 && count % rule->arguments.step != 0)
    return false;
  if (!Fits(rule->numbers, (present & kHasNumbers) != 0)) return false;

  FixedReader reader(encoded.substr(kCommandHeaderBytes));
  if (!TakeFields(&reader, present, command)) return false;
  if (!Fits(rule->expiry, command->has_expiry)) return false;
  if (!Fits(rule->expected, command->has_expected)) return false;
  if (!FlagsAgree(*command) || !PlaceFits(*command, nested)) return false;
  if (command->op == Op::kDel && command->has_expected && count != 1) {
    return false;
  }
  if (command->op == Op::kAtomic) {
    command->nested = reader.rest();
    command->nested_count = count;
    return NestedFit(*command);
  }
  const bool names_slots = NamesSlots(command->op);
  if (!ArgumentsFit(reader.rest(), count, rule->arguments.step,
                    names_slots ? kSlotPrefixBytes : 0)) {
    return false;
  }
  command->arguments = ArgumentReader(reader.rest(), count);
  if (!names_slots) return true;
  ArgumentReader first = command->arguments;
  return KeyOf(command->op, command->slot, first.Next()).slot == command->slot;
}

uint8_t PresentBits(const CommandSpec& spec, const Rule& rule) {
  uint8_t present = 0;
  if (spec.session.has_value()) present |= kHasSession;
  if (spec.expire_at_ms.has_value()) present |= kHasExpiry;
  if (spec.expected.has_value()) present |= kHasExpected;
  if (rule.numbers == Need::kMust) present |= kHasNumbers;
  return present;
}

}  // namespace

int64_t DueOf(const CommandView& command, int64_t now_ms) {
  if ((command.flags & kRelativeExpiry) == 0) return command.expire_at_ms;
  int64_t due_ms = 0;
  return __builtin_add_overflow(now_ms, command.expire_at_ms, &due_ms)
             ? std::numeric_limits<int64_t>::max()
             : due_ms;
}

std::optional<std::pair<int64_t, int64_t>> SlotsOf(
    Op op, const std::array<int64_t, 2>& numbers) {
  const auto [first, second] = numbers;
  switch (op) {
    case Op::kKeyCount:
    case Op::kFlush:
      return std::pair(first, second);
    case Op::kScan:
      return std::pair(
          int64_t{CursorSlot(static_cast<uint64_t>(first)).value()},
          second >> 32);
    default:
      return std::nullopt;
  }
}

bool IsRead(Op op) {
  const Rule* rule = FindRule(op);
  return rule != nullptr && rule->access == Access::kRead;
}

bool ShowsTimeLeft(Op op) { return op == Op::kTtl; }

uint32_t KeyStep(Op op) {
  const Rule* const rule = FindRule(op);
  return rule == nullptr ? 0 : rule->arguments.step;
}

std::string_view OpName(Op op) {
  const Rule* rule = FindRule(op);
  return rule == nullptr ? "invalid" : rule->name;
}

void AppendSlotKey(Slot slot, std::string_view key, std::string* argument) {
  AppendFixed(argument, slot.value());
  argument->append(key);
}

void BatchBuilder::SetRules(uint32_t rules) {
  CHECK(empty());
  CHECK_GE(rules, 1u);
  rules_ = rules;
}

size_t BatchBuilder::EncodedSize(const CommandSpec& spec) {
  const Rule& rule = RuleOf(spec.op);
  size_t size = kCommandHeaderBytes;
  if (spec.session.has_value()) size += kStampBytes;
  if (spec.expire_at_ms.has_value()) size += kExpiryBytes;
  if (spec.expected.has_value()) size += kVersionBytes;
  if (rule.numbers == Need::kMust) size += kNumbersBytes;
  for (std::string_view argument : spec.arguments) {
    size += sizeof(uint32_t) + argument.size();
  }
  return size;
}

size_t BatchBuilder::AtomicOverhead(bool session) {
  return kCommandHeaderBytes + (session ? kStampBytes : 0);
}

size_t BatchBuilder::size_bytes() const {
  return bytes_.empty() ? kBatchHeaderBytes : bytes_.size();
}

uint32_t BatchBuilder::Add(const CommandSpec& spec) {
  CHECK(spec.op != Op::kAtomic) << "BeginAtomic opens one";
  const Rule& rule = RuleOf(spec.op);
  if (bytes_.empty()) bytes_.resize(kBatchHeaderBytes);
  const size_t begin = bytes_.size();
  Fields fields;
  fields.Add<uint32_t>(0);  // The size, below.
  fields.Add<uint8_t>(static_cast<uint8_t>(spec.op));
  fields.Add<uint8_t>(PresentBits(spec, rule));
  fields.Add<uint16_t>(spec.flags);
  fields.Add<uint16_t>(spec.slot.value());
  fields.Add<uint16_t>(0);
  fields.Add<uint32_t>(static_cast<uint32_t>(spec.arguments.size()));
  if (spec.session.has_value()) fields.AddStamp(*spec.session);
  if (spec.expire_at_ms.has_value()) fields.Add<int64_t>(*spec.expire_at_ms);
  if (spec.expected.has_value()) {
    fields.Add<uint32_t>(spec.expected->group.value());
    fields.Add<uint32_t>(spec.expected->position);
    fields.Add<uint64_t>(spec.expected->index.value());
  }
  if (rule.numbers == Need::kMust) {
    fields.Add<int64_t>(spec.numbers[0]);
    fields.Add<int64_t>(spec.numbers[1]);
  }
  for (const std::string_view argument : spec.arguments) {
    fields.Add<uint32_t>(static_cast<uint32_t>(argument.size()));
    fields.AppendTo(&bytes_);
    bytes_.append(argument);
  }
  fields.AppendTo(&bytes_);
  const size_t size = bytes_.size() - begin;
  CHECK_LE(size, size_t{std::numeric_limits<uint32_t>::max()});
  StoreFixed(bytes_.data() + begin, static_cast<uint32_t>(size));
  return atomic_offset_ != 0 ? atomic_count_++ : count_++;
}

uint32_t BatchBuilder::AddEncoded(const CommandView& command) {
  CHECK_EQ(atomic_offset_, 0u);
  CHECK_EQ(command.rules, rules_);
  if (bytes_.empty()) bytes_.resize(kBatchHeaderBytes);
  bytes_.append(command.encoded);
  return count_++;
}

uint32_t BatchBuilder::BeginAtomic(Slot slot,
                                   const std::optional<SessionStamp>& session) {
  CHECK_EQ(atomic_offset_, 0u);
  if (bytes_.empty()) bytes_.resize(kBatchHeaderBytes);
  atomic_offset_ = bytes_.size();
  atomic_count_ = 0;
  Fields fields;
  fields.Add<uint32_t>(0);  // Size, in EndAtomic.
  fields.Add<uint8_t>(static_cast<uint8_t>(Op::kAtomic));
  fields.Add<uint8_t>(session.has_value() ? kHasSession : 0);
  fields.Add<uint16_t>(0);
  fields.Add<uint16_t>(slot.value());
  fields.Add<uint16_t>(0);
  fields.Add<uint32_t>(0);  // Count, in EndAtomic.
  if (session.has_value()) fields.AddStamp(*session);
  fields.AppendTo(&bytes_);
  return count_++;
}

void BatchBuilder::EndAtomic() {
  CHECK_NE(atomic_offset_, 0u);
  const size_t size = bytes_.size() - atomic_offset_;
  CHECK_LE(size, size_t{std::numeric_limits<uint32_t>::max()});
  char* header = bytes_.data() + atomic_offset_;
  StoreFixed<uint32_t>(header, static_cast<uint32_t>(size));
  StoreFixed<uint32_t>(header + kCountOffset, atomic_count_);
  atomic_offset_ = 0;
}

Buffer BatchBuilder::Finish() {
  CHECK_EQ(atomic_offset_, 0u);
  if (bytes_.empty()) bytes_.resize(kBatchHeaderBytes);
  StoreFixed<uint32_t>(bytes_.data(), rules_);
  StoreFixed<uint32_t>(bytes_.data() + 4, count_);
  Buffer payload = Buffer::Copy(bytes_);
  ClearAndTrim(&bytes_, kKeptBytesMax);
  count_ = 0;
  return payload;
}

std::string_view ArgumentReader::Next() {
  CHECK_GT(count_, 0u);
  const auto size = LoadFixed<uint32_t>(bytes_.data());
  const std::string_view argument = bytes_.substr(sizeof(uint32_t), size);
  bytes_.remove_prefix(sizeof(uint32_t) + size);
  --count_;
  return argument;
}

uint64_t RequestHash(uint64_t hash_key, const CommandView& command) {
  uint64_t hash = HashWord(hash_key, static_cast<uint64_t>(command.op) << 32 |
                                         uint64_t{command.flags} << 16 |
                                         command.slot.value());
  if (command.op == Op::kAtomic) {
    CommandReader reader = CommandReader::Nested(command);
    CommandView nested;
    while (!reader.done()) {
      CHECK(reader.Next(&nested)) << "checked when the kAtomic was decoded";
      hash = HashWord(hash, RequestHash(hash_key, nested));
    }
    return hash;
  }
  const size_t skipped = kCommandHeaderBytes +
                         (command.has_session ? kStampBytes : 0) +
                         (command.has_expiry ? sizeof(int64_t) : 0);
  hash = HashWord(hash, uint64_t{command.arguments.count()} << 2 |
                            uint64_t{command.has_expiry} << 1 |
                            uint64_t{command.has_expected});
  return HashWord(hash, KeyedHash(hash_key, command.encoded.substr(skipped)));
}

uint32_t RulesOf(std::string_view payload) {
  return FixedReader(payload).Take<uint32_t>();
}

CommandReader::CommandReader(std::string_view payload) {
  FixedReader reader(payload);
  rules_ = reader.Take<uint32_t>();
  const auto count = reader.Take<uint32_t>();
  ok_ = reader.ok() && rules_ >= 1 && FramesFit(reader.rest(), count);
  if (!ok_) return;
  rest_ = reader.rest();
  count_ = count;
}

CommandReader::CommandReader(const CommandView& atomic)
    : rest_(atomic.nested),
      rules_(atomic.rules),
      count_(atomic.nested_count),
      nested_(true),
      ok_(true) {}

CommandReader CommandReader::Nested(const CommandView& atomic) {
  return CommandReader(atomic);
}

std::string_view CommandReader::TakeEncoded() {
  CHECK_LT(next_, count_);
  ++next_;
  const auto size = LoadFixed<uint32_t>(rest_.data());
  const std::string_view encoded = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return encoded;
}

bool CommandReader::Next(CommandView* command) {
  return Decode(TakeEncoded(), rules_, nested_, command);
}

CommandHeader CommandReader::NextHeader() const {
  CHECK_LT(next_, count_);
  const char* header = rest_.data();
  return {.op = static_cast<Op>(LoadFixed<uint8_t>(header + kOpOffset)),
          .flags = LoadFixed<uint16_t>(header + kFlagsOffset),
          .size_bytes = LoadFixed<uint32_t>(header)};
}

}  // namespace quorate::kv
