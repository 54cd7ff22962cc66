#include "node/commands/translate.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "env/check.h"
#include "env/parse_integer.h"
#include "node/base/text.h"
#include "raft/core/types.h"

namespace quorate::node {
namespace {

using kv::Op;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr std::string_view kNotInteger =
    "ERR value is not an integer or out of range";
constexpr std::string_view kNotFloat = "ERR value is not a valid float";
constexpr std::string_view kSyntax = "ERR syntax error";

std::string InvalidExpire(const CommandRow& row) {
  return Concat("ERR invalid expire time in '", row.name, "' command");
}

std::string ValueTooLong(const BoundsConfig& bounds) {
  return Concat("ERR string exceeds maximum allowed size (", bounds.value_bytes,
                " bytes)");
}

// A time of expiry in the past acts like the earliest possible one.
int64_t AtLeastOne(int64_t ms) { return std::max<int64_t>(1, ms); }

struct TimeForm {
  bool seconds;
  bool absolute;
  bool operator==(const TimeForm&) const = default;
};

// EX, PX, EXAT and PXAT.
std::optional<TimeForm> FormOf(std::string_view option) {
  if (EqualsIgnoreCase(option, "ex")) return TimeForm{true, false};
  if (EqualsIgnoreCase(option, "px")) return TimeForm{false, false};
  if (EqualsIgnoreCase(option, "exat")) return TimeForm{true, true};
  if (EqualsIgnoreCase(option, "pxat")) return TimeForm{false, true};
  return std::nullopt;
}

// Reads the expiry of SET and GETEX into `spec`, or sets the error. The number
// must be positive.
void ReadExpiry(const CommandRow& row, std::string_view text, TimeForm form,
                int64_t now_ms, kv::CommandSpec* spec, std::string* error) {
  int64_t ms;
  if (!ParseInteger(text, &ms)) {
    *error = kNotInteger;
    return;
  }
  const bool in_range = ms > 0 && (!form.seconds || ms <= kMax / 1000);
  if (in_range && form.seconds) ms *= 1000;
  if (!in_range || (!form.absolute && ms > kMax - now_ms)) {
    *error = InvalidExpire(row);
    return;
  }
  spec->expire_at_ms = ms;
  if (!form.absolute) spec->flags |= kv::kRelativeExpiry;
}

// SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
void TranslateSet(const CommandRow& row, Arguments request, int64_t now_ms,
                  Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kSet;
  spec.arguments = request.subspan(1, 2);
  std::optional<TimeForm> form;
  std::string_view time;
  for (size_t i = 3; i < request.size(); ++i) {
    const std::string_view option = request[i];
    if (EqualsIgnoreCase(option, "nx") && (spec.flags & kv::kIfPresent) == 0) {
      spec.flags |= kv::kIfAbsent;
    } else if (EqualsIgnoreCase(option, "xx") &&
               (spec.flags & kv::kIfAbsent) == 0) {
      spec.flags |= kv::kIfPresent;
    } else if (EqualsIgnoreCase(option, "get")) {
      spec.flags |= kv::kReturnOld;
    } else if (EqualsIgnoreCase(option, "keepttl") && !form.has_value()) {
      spec.flags |= kv::kKeepExpiry;
    } else if (const auto found = FormOf(option);
               found.has_value() && (spec.flags & kv::kKeepExpiry) == 0 &&
               form.value_or(*found) == *found && i + 1 < request.size()) {
      form = found;  // A repeated option replaces the earlier one.
      time = request[++i];
    } else {
      out->error = kSyntax;
      return;
    }
  }
  if (form.has_value()) {
    ReadExpiry(row, time, *form, now_ms, &spec, &out->error);
  }
  out->format = (spec.flags & kv::kReturnOld) != 0 ? ReplyFormat::kOldValue
                                                   : ReplyFormat::kOkOrNull;
}

// SETEX key seconds value, PSETEX key milliseconds value.
void TranslateSetex(const CommandRow& row, Arguments request, int64_t now_ms,
                    Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kSet;
  out->storage = {request[1], request[3]};
  spec.arguments = out->storage;
  ReadExpiry(row, request[2], {row.id == CommandId::kSetex, false}, now_ms,
             &spec, &out->error);
  out->format = ReplyFormat::kStatusOk;
}

// GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]
void TranslateGetex(const CommandRow& row, Arguments request, int64_t now_ms,
                    Translated* out) {
  out->specs[0].op = Op::kGet;
  out->specs[0].arguments = request.subspan(1, 1);
  out->format = ReplyFormat::kBulk;
  if (request.size() == 2) return;
  kv::CommandSpec& second = out->specs[1];
  second.arguments = request.subspan(1, 1);
  second.op = Op::kExpireAt;
  std::optional<TimeForm> form;
  std::string_view time;
  for (size_t i = 2; i < request.size(); ++i) {
    if (EqualsIgnoreCase(request[i], "persist") && !form.has_value()) {
      second.op = Op::kPersist;
    } else if (const auto found = FormOf(request[i]);
               found.has_value() && second.op != Op::kPersist &&
               form.value_or(*found) == *found && i + 1 < request.size()) {
      form = found;
      time = request[++i];
    } else {
      out->error = kSyntax;
      return;
    }
  }
  if (form.has_value()) {
    ReadExpiry(row, time, *form, now_ms, &second, &out->error);
  }
  out->count = 2;
  out->format = ReplyFormat::kBulkThenIgnored;
}

// The options of EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT.
bool ParseExpireOptions(Arguments options, kv::CommandFlags* flags,
                        std::string* error) {
  for (const std::string_view option : options) {
    if (EqualsIgnoreCase(option, "nx")) {
      *flags |= kv::kIfAbsent;
    } else if (EqualsIgnoreCase(option, "xx")) {
      *flags |= kv::kIfPresent;
    } else if (EqualsIgnoreCase(option, "gt")) {
      *flags |= kv::kIfGreater;
    } else if (EqualsIgnoreCase(option, "lt")) {
      *flags |= kv::kIfLess;
    } else {
      *error = Concat("ERR Unsupported option ", option);
      return false;
    }
  }
  const bool absent = (*flags & kv::kIfAbsent) != 0;
  const bool present = (*flags & kv::kIfPresent) != 0;
  const bool greater = (*flags & kv::kIfGreater) != 0;
  const bool less = (*flags & kv::kIfLess) != 0;
  if (absent && (present || greater || less)) {
    *error =
        "ERR NX and XX, GT or LT options at the same time are not compatible";
    return false;
  }
  if (greater && less) {
    *error = "ERR GT and LT options at the same time are not compatible";
    return false;
  }
  // GT never holds for a key without expiry, so XX adds nothing to it.
  if (greater) *flags &= ~kv::kIfPresent;
  return true;
}

void TranslateExpire(const CommandRow& row, Arguments request, int64_t now_ms,
                     TimeForm form, Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kExpireAt;
  spec.arguments = request.subspan(1, 1);
  out->format = ReplyFormat::kInteger;
  if (!ParseExpireOptions(request.subspan(3), &spec.flags, &out->error)) {
    return;
  }
  int64_t when;
  if (!ParseInteger(request[2], &when)) {
    out->error = kNotInteger;
    return;
  }
  if (form.seconds) {
    if (when > kMax / 1000 || when < kMin / 1000) {
      out->error = InvalidExpire(row);
      return;
    }
    when *= 1000;
  }
  if (!form.absolute) {
    if (when > kMax - now_ms) {
      out->error = InvalidExpire(row);
      return;
    }
    spec.flags |= kv::kRelativeExpiry;
    spec.expire_at_ms = when;
    return;
  }
  spec.expire_at_ms = AtLeastOne(when);
}

void TranslateIncr(const CommandRow& row, Arguments request, Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kIncrBy;
  spec.arguments = request.subspan(1, 1);
  out->format = ReplyFormat::kInteger;
  int64_t delta = 1;
  if (request.size() == 3 && !ParseInteger(request[2], &delta)) {
    out->error = kNotInteger;
    return;
  }
  if (row.id == CommandId::kDecr || row.id == CommandId::kDecrby) {
    if (delta == kMin) {
      out->error = "ERR decrement would overflow";
      return;
    }
    delta = -delta;
  }
  spec.numbers[0] = delta;
}

// INCRBYFLOAT key increment. The store parses the decimal when it adds it.
void TranslateIncrByFloat(Arguments request, Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kIncrByFloat;
  spec.arguments = request.subspan(1, 2);
  out->format = ReplyFormat::kDecimal;
  std::string_view increment = request[2];
  if (increment.starts_with('+') || increment.starts_with('-')) {
    increment.remove_prefix(1);
  }
  if (EqualsIgnoreCase(increment, "inf") ||
      EqualsIgnoreCase(increment, "infinity")) {
    out->error = "ERR increment would produce NaN or Infinity";
  }
}

void TranslateRange(Arguments request, Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kGetRange;
  spec.arguments = request.subspan(1, 1);
  out->format = ReplyFormat::kBulk;
  if (!ParseInteger(request[2], &spec.numbers[0]) ||
      !ParseInteger(request[3], &spec.numbers[1])) {
    out->error = kNotInteger;
  }
}

// SETRANGE key offset value
void TranslateSetrange(Arguments request, Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kSetRange;
  out->storage = {request[1], request[3]};
  spec.arguments = out->storage;
  out->format = ReplyFormat::kLength;
  if (!ParseInteger(request[2], &spec.numbers[0])) {
    out->error = kNotInteger;
  } else if (spec.numbers[0] < 0) {
    out->error = "ERR offset is out of range";
  }
}

// The number of a bit, as in Redis: at most that of 512 MiB. False: it is none.
bool ReadBitOffset(std::string_view text, int64_t* offset) {
  constexpr int64_t kBitOffsetMax = (int64_t{512} << 20) * 8 - 1;
  return ParseInteger(text, offset) && *offset >= 0 && *offset <= kBitOffsetMax;
}

// GETBIT key offset
void TranslateGetbit(Arguments request, Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kGetBit;
  spec.arguments = request.subspan(1, 1);
  out->format = ReplyFormat::kInteger;
  if (!ReadBitOffset(request[2], &spec.numbers[0])) {
    out->error = "ERR bit offset is not an integer or out of range";
  }
}

// SETBIT key offset value
void TranslateSetbit(Arguments request, Translated* out) {
  kv::CommandSpec& spec = out->specs[0];
  spec.op = Op::kSetBit;
  spec.arguments = request.subspan(1, 1);
  out->format = ReplyFormat::kLength;
  int64_t offset = 0;
  int64_t bit = 0;
  if (!ReadBitOffset(request[2], &offset)) {
    out->error = "ERR bit offset is not an integer or out of range";
  } else if (!ParseInteger(request[3], &bit) || (bit != 0 && bit != 1)) {
    out->error = "ERR bit is not an integer or out of range";
  }
  spec.numbers[0] = 2 * offset + bit;
}

// [SAMPLES count]. The count has no effect, since nothing is sampled.
std::string_view MemoryOptionsError(Arguments options) {
  for (size_t i = 0; i < options.size(); i += 2) {
    if (!EqualsIgnoreCase(options[i], "samples") || i + 1 == options.size()) {
      return kSyntax;
    }
    int64_t count;
    if (!ParseInteger(options[i + 1], &count)) return kNotInteger;
    if (count < 0) return kSyntax;
  }
  return {};
}

// Commands whose arguments are keys, or keys and values, without options.
struct SimpleCommand {
  CommandId id;
  Op op;
  ReplyFormat format;
  kv::CommandFlags flags;
};
constexpr SimpleCommand kSimpleCommands[] = {
    {CommandId::kGet, Op::kGet, ReplyFormat::kBulk, 0},
    {CommandId::kStrlen, Op::kStrlen, ReplyFormat::kInteger, 0},
    {CommandId::kMget, Op::kMGet, ReplyFormat::kArray, 0},
    {CommandId::kExists, Op::kExists, ReplyFormat::kInteger, 0},
    {CommandId::kTouch, Op::kExists, ReplyFormat::kInteger, 0},
    {CommandId::kType, Op::kType, ReplyFormat::kType, 0},
    {CommandId::kTtl, Op::kTtl, ReplyFormat::kTtlSeconds, 0},
    {CommandId::kPttl, Op::kTtl, ReplyFormat::kTtlMs, 0},
    {CommandId::kExpiretime, Op::kExpireTime, ReplyFormat::kExpireTimeSeconds,
     0},
    {CommandId::kPexpiretime, Op::kExpireTime, ReplyFormat::kInteger, 0},
    {CommandId::kSetnx, Op::kSet, ReplyFormat::kWroteInteger, kv::kIfAbsent},
    {CommandId::kGetset, Op::kSet, ReplyFormat::kOldValue, kv::kReturnOld},
    {CommandId::kGetdel, Op::kGetDel, ReplyFormat::kBulk, 0},
    {CommandId::kMset, Op::kMSet, ReplyFormat::kStatusOk, 0},
    {CommandId::kMsetnx, Op::kMSet, ReplyFormat::kWroteInteger, kv::kIfAbsent},
    {CommandId::kAppend, Op::kAppend, ReplyFormat::kLength, 0},
    {CommandId::kDel, Op::kDel, ReplyFormat::kInteger, 0},
    {CommandId::kUnlink, Op::kDel, ReplyFormat::kInteger, 0},
    {CommandId::kPersist, Op::kPersist, ReplyFormat::kInteger, 0},
};

const SimpleCommand* FindSimpleCommand(CommandId id) {
  for (const SimpleCommand& plain : kSimpleCommands) {
    if (plain.id == id) return &plain;
  }
  return nullptr;
}

void TranslateOne(const CommandRow& row, Arguments request, int64_t now_ms,
                  Translated* out) {
  switch (row.id) {
    case CommandId::kSet:
      return TranslateSet(row, request, now_ms, out);
    case CommandId::kSetex:
    case CommandId::kPsetex:
      return TranslateSetex(row, request, now_ms, out);
    case CommandId::kGetex:
      return TranslateGetex(row, request, now_ms, out);
    case CommandId::kExpire:
      return TranslateExpire(row, request, now_ms, {true, false}, out);
    case CommandId::kPexpire:
      return TranslateExpire(row, request, now_ms, {false, false}, out);
    case CommandId::kExpireat:
      return TranslateExpire(row, request, now_ms, {true, true}, out);
    case CommandId::kPexpireat:
      return TranslateExpire(row, request, now_ms, {false, true}, out);
    case CommandId::kIncr:
    case CommandId::kDecr:
    case CommandId::kIncrby:
    case CommandId::kDecrby:
      return TranslateIncr(row, request, out);
    case CommandId::kIncrbyfloat:
      return TranslateIncrByFloat(request, out);
    case CommandId::kGetrange:
    case CommandId::kSubstr:
      return TranslateRange(request, out);
    case CommandId::kSetrange:
      return TranslateSetrange(request, out);
    case CommandId::kGetbit:
      return TranslateGetbit(request, out);
    case CommandId::kSetbit:
      return TranslateSetbit(request, out);
    case CommandId::kObjectEncoding:
    case CommandId::kObjectRefcount:
    case CommandId::kMemoryUsage:
      if (row.id == CommandId::kMemoryUsage) {
        out->error = MemoryOptionsError(request.subspan(3));
      }
      out->specs[0].op = Op::kGet;
      out->specs[0].arguments = request.subspan(2, 1);
      out->format =
          row.id == CommandId::kObjectEncoding   ? ReplyFormat::kEncoding
          : row.id == CommandId::kObjectRefcount ? ReplyFormat::kRefcount
                                                 : ReplyFormat::kMemory;
      return;
    default:
      break;
  }
  const SimpleCommand* plain = FindSimpleCommand(row.id);
  CHECK(plain != nullptr) << row.name;
  out->specs[0].op = plain->op;
  out->specs[0].flags = plain->flags;
  out->specs[0].arguments = request.subspan(1);
  out->format = plain->format;
  if (plain->op == Op::kMSet && request.size() % 2 == 0) {
    out->error =
        Concat("ERR wrong number of arguments for '", row.name, "' command");
  }
}

// The size of the longest value in the command; 0 if it has no value.
size_t LongestValue(const kv::CommandSpec& spec) {
  size_t longest = 0;
  switch (spec.op) {
    case Op::kSet:
    case Op::kMSet:
    case Op::kAppend:
    case Op::kSetRange:
      // Each key is followed by its value.
      for (size_t i = 1; i < spec.arguments.size(); i += 2) {
        longest = std::max(longest, spec.arguments[i].size());
      }
      break;
    default:
      break;
  }
  return longest;
}

// Limits the size to which a value may grow to that of a request, so that every
// value can also be set.
void BoundGrowth(const BoundsConfig& bounds, kv::CommandSpec* spec) {
  const auto longest = static_cast<int64_t>(bounds.value_bytes);
  if (spec->op == Op::kAppend || spec->op == Op::kIncrByFloat) {
    spec->numbers[0] = longest;
  } else if (spec->op == Op::kSetRange || spec->op == Op::kSetBit) {
    spec->numbers[1] = longest;
  }
}

static_assert(raft::kEntryPayloadBytesMax == 524'288);  // kEntryTooLarge.

// True if so many arguments cannot fit one log entry, whatever they are. So
// the keys of a write need not be hashed. A read may be divided.
bool HasTooManyArguments(Arguments request) {
  constexpr size_t kFewArguments = 64;
  return request.size() > kFewArguments &&
         (request.size() - kFewArguments) * sizeof(uint32_t) >
             raft::kEntryPayloadBytesMax;
}

}  // namespace

std::string KeyTooLong(const BoundsConfig& bounds) {
  return Concat("ERR key is longer than ", bounds.key_bytes, " bytes");
}

bool IsKeyCommand(const CommandRow& row) {
  return row.keys.first != 0 && row.id != CommandId::kWatch;
}

void Translate(const CommandRow& row, Arguments request,
               const TranslationRules& rules, Translated* out) {
  const BoundsConfig& bounds = rules.bounds;
  if (row.Has(kWrite) && HasTooManyArguments(request)) {
    out->error = kEntryTooLarge;
    return;
  }
  TranslateOne(row, request, rules.now_ms, out);
  if (!out->error.empty()) return;
  const KeyPositions keys = FindKeys(row, request);
  if (row.Has(kWrite) && keys.count() > kv::kEntryKeysMax) {
    out->error =
        Concat("ERR a command writes at most ", kv::kEntryKeysMax, " keys");
    return;
  }
  for (size_t i = keys.first; i <= keys.last; i += keys.step) {
    if (request[i].size() > bounds.key_bytes) {
      out->error = KeyTooLong(bounds);
      return;
    }
  }
  if (LongestValue(out->specs[0]) > bounds.value_bytes) {
    out->error = ValueTooLong(bounds);
    return;
  }
  const std::optional<Slot> slot =
      rules.slots.CommonSlot(request, keys.first, keys.last, keys.step);
  if (!slot.has_value()) {
    out->cross_slot = true;
    out->error = kCrossSlot;
    return;
  }
  out->slot = *slot;
  BoundGrowth(bounds, &out->specs[0]);
  for (size_t i = 0; i < out->count; ++i) out->specs[i].slot = out->slot;
  if (!FitsOneEntry(out->all())) out->error = kEntryTooLarge;
}

bool FitsOneEntry(absl::Span<const kv::CommandSpec> specs) {
  size_t bytes = 128;
  for (const kv::CommandSpec& spec : specs) {
    bytes += kv::BatchBuilder::EncodedSize(spec);
  }
  return bytes <= raft::kEntryPayloadBytesMax;
}

std::string_view ErrorOf(kv::ResultStatus status) {
  switch (status) {
    case kv::ResultStatus::kOk:
    case kv::ResultStatus::kNil:
    case kv::ResultStatus::kConditionFailed:
      return {};
    case kv::ResultStatus::kWrongType:
      return "WRONGTYPE Operation against a key holding the wrong kind of "
             "value";
    case kv::ResultStatus::kNotInteger:
      return kNotInteger;
    case kv::ResultStatus::kNotFloat:
      return kNotFloat;
    case kv::ResultStatus::kOverflow:
      return "ERR increment or decrement would overflow";
    case kv::ResultStatus::kTooLarge:
      return "ERR a value or reply is larger than allowed";
    case kv::ResultStatus::kNotOwner:
      return "CLUSTERDOWN Hash slot not served";
    case kv::ResultStatus::kSessionExpired:
      return "SESSION_EXPIRED the session is over; whether an earlier try of "
             "this command took effect is not known";
    case kv::ResultStatus::kStaleSequence:
      return "SESSION_STALE this sequence number is below the floor that the "
             "client sent";
    case kv::ResultStatus::kSequenceReused:
      return "SESSION_REUSED this sequence number was used for another command";
    case kv::ResultStatus::kTooManyOutstanding:
      return "SESSION_FULL too many sequence numbers are outstanding; raise "
             "the floor";
    case kv::ResultStatus::kTooManySessions:
      return "SESSION_LIMIT the slot holds no more sessions";
    case kv::ResultStatus::kMalformed:
      return "ERR the store refused the command as malformed";
    case kv::ResultStatus::kOutOfMemory:
      return kOutOfMemory;
    case kv::ResultStatus::kResultNotKept:
      return "RESULT_NOT_KEPT the command took effect; its result was too "
             "large to keep";
  }
  return "ERR unknown result";
}

namespace {

void WriteBulkOrNull(const kv::ResultView& result, RespWriter& reply) {
  if (result.kind == kv::PayloadKind::kBytes) {
    reply.Bulk(result.bytes, result.shared);
  } else {
    reply.Null();
  }
}

void WriteArray(const kv::ResultView& result, RespWriter& reply) {
  if (!result.elements.empty()) {
    if (result.elements_before == 0) {
      reply.Array(std::max(result.elements.size(), result.elements_of_all));
    }
    for (const kv::ResultElement& element : result.elements) {
      if (element.nil) {
        reply.Null();
      } else {
        reply.Bulk(element.bytes, element.shared);
      }
    }
    return;
  }
  kv::ArrayReader reader(result.bytes);
  reply.Array(reader.count());
  std::string_view bytes;
  while (!reader.done()) {
    if (reader.Next(&bytes)) {
      reply.Bulk(bytes);
    } else {
      reply.Null();
    }
  }
}

// The error for a status that has different meanings for different commands.
std::string ErrorFor(ReplyFormat format, kv::ResultStatus status,
                     const BoundsConfig& bounds) {
  const bool grows =
      format == ReplyFormat::kLength || format == ReplyFormat::kDecimal;
  if (status == kv::ResultStatus::kTooLarge) {
    return grows ? ValueTooLong(bounds)
                 : Concat("ERR reply is larger than ", kv::kReturnedBytesMax,
                          " bytes");
  }
  if (status == kv::ResultStatus::kOverflow &&
      format == ReplyFormat::kDecimal) {
    return "ERR increment would produce NaN or Infinity";
  }
  return std::string(ErrorOf(status));
}

std::string_view EncodingOf(std::string_view value) {
  int64_t integer;
  if (ParseInteger(value, &integer)) return "int";
  return value.size() <= 44 ? "embstr" : "raw";
}

}  // namespace

void WriteResult(ReplyFormat format, const kv::ResultView& result,
                 const BoundsConfig& bounds, RespWriter& reply) {
  if (!ErrorOf(result.status).empty()) {
    reply.Error(ErrorFor(format, result.status, bounds));
    return;
  }
  switch (format) {
    case ReplyFormat::kBulk:
    case ReplyFormat::kOldValue:
    case ReplyFormat::kBulkThenIgnored:
    case ReplyFormat::kDecimal:
      return WriteBulkOrNull(result, reply);
    case ReplyFormat::kInteger:
    case ReplyFormat::kLength:
    case ReplyFormat::kTtlMs:
    case ReplyFormat::kSum:
      return reply.Integer(result.integer);
    case ReplyFormat::kStatusOk:
      return reply.Ok();
    case ReplyFormat::kOkOrNull:
      return result.status == kv::ResultStatus::kOk ? reply.Ok() : reply.Null();
    case ReplyFormat::kWroteInteger:
      return reply.Integer(result.status == kv::ResultStatus::kOk ? 1 : 0);
    case ReplyFormat::kArray:
      return WriteArray(result, reply);
    case ReplyFormat::kTtlSeconds:
    case ReplyFormat::kExpireTimeSeconds:
      return reply.Integer(result.integer < 0 ? result.integer
                                              : (result.integer + 500) / 1000);
    case ReplyFormat::kType:
      return reply.Simple(result.kind == kv::PayloadKind::kBytes ? result.bytes
                                                                 : "none");
    case ReplyFormat::kEncoding:
      if (result.kind != kv::PayloadKind::kBytes) return reply.Null();
      return reply.Bulk(EncodingOf(result.bytes));
    case ReplyFormat::kRefcount:
      if (result.kind != kv::PayloadKind::kBytes) return reply.Null();
      return reply.Integer(1);
    case ReplyFormat::kMemory:
      if (result.kind != kv::PayloadKind::kBytes) return reply.Null();
      return reply.Integer(static_cast<int64_t>(result.bytes.size()) + 64);
  }
}

}  // namespace quorate::node
