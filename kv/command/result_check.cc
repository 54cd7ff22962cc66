#include "kv/command/result_check.h"

#include "kv/command/command.h"
#include "kv/command/result.h"

namespace quorate::kv {
namespace {

// The kind of a result with kOk. A kSet with kReturnOld may have bytes, too.
PayloadKind KindOf(Op op) {
  switch (op) {
    case Op::kGet:
    case Op::kGetRange:
    case Op::kType:
    case Op::kGetDel:
    case Op::kIncrByFloat:
    case Op::kMove:
      return PayloadKind::kBytes;
    case Op::kStrlen:
    case Op::kExists:
    case Op::kExistsOfSlots:
    case Op::kExpireTime:
    case Op::kKeyCount:
    case Op::kTtl:
    case Op::kGetBit:
    case Op::kDel:
    case Op::kIncrBy:
    case Op::kAppend:
    case Op::kExpireAt:
    case Op::kPersist:
    case Op::kSetRange:
    case Op::kSetBit:
    case Op::kFlush:
    case Op::kExpire:
      return PayloadKind::kInteger;
    case Op::kMGet:
    case Op::kMGetOfSlots:
    case Op::kScan:
      return PayloadKind::kArray;
    case Op::kAtomic:
      return PayloadKind::kNested;
    case Op::kWatch:
    case Op::kSet:
    case Op::kMSet:
    case Op::kCheckVersion:
      return PayloadKind::kNone;
  }
  return PayloadKind::kNone;
}

bool KindFits(const CommandView& command, const ResultView& result) {
  if (command.op == Op::kSet && (command.flags & kReturnOld) != 0 &&
      result.kind == PayloadKind::kBytes) {
    return true;
  }
  const PayloadKind kind = KindOf(command.op);
  return result.kind == kind || (result.kind == PayloadKind::kNone &&
                                 result.status != ResultStatus::kOk);
}

// Requires: the results are whole.
bool ResultsFit(ResultReader* results, CommandReader* commands) {
  CommandView command;
  while (!results->done()) {
    const ResultView result = results->Next();
    if (commands->done()) return false;
    if (!commands->Next(&command)) {
      if (result.kind != PayloadKind::kNone) return false;
      continue;
    }
    if (!KindFits(command, result)) return false;
    if (result.kind != PayloadKind::kNested) continue;
    ResultReader nested = ResultReader::Nested(result);
    CommandReader steps = CommandReader::Nested(command);
    if (nested.count() != steps.count() || !ResultsFit(&nested, &steps)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool ResultsAnswer(std::string_view results, std::string_view batch,
                   uint32_t count) {
  if (!ResultsAreWhole(results, count)) return false;
  ResultReader reader(results);
  if (!reader.batch_accepted()) return true;
  CommandReader commands(batch);
  return commands.ok() && ResultsFit(&reader, &commands);
}

}  // namespace quorate::kv
