#include "node/routing/peer_reads.h"

#include <cstdint>
#include <string_view>
#include <utility>

#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/base/turn_work.h"
#include "node/routing/refused_commands.h"
#include "shardctrl/partition.h"

namespace quorate::node {
namespace {

// After this much work, the rest of the batch is left out.
constexpr uint64_t kWorkPerAnswer = TurnWork::kRead * 4096;

// True if kv::Store::Read takes the command. It comes from another node.
bool CanEvaluate(const kv::Store& store, const kv::CommandView& command) {
  switch (command.op) {
    case kv::Op::kGet:
    case kv::Op::kStrlen:
    case kv::Op::kGetRange:
    case kv::Op::kExists:
    case kv::Op::kMGet:
    case kv::Op::kExpireTime:
    case kv::Op::kTtl:
    case kv::Op::kType:
    case kv::Op::kGetBit:
      return !command.has_session && store.Owns(command.slot);
    case kv::Op::kKeyCount:
    case kv::Op::kScan: {
      const auto [first, last] = *kv::SlotsOf(command);
      return !command.has_session && first >= 0 && first <= last &&
             last < kHashSlotCount &&
             store.Owns(Slot(static_cast<uint16_t>(first))) &&
             store.Owns(Slot(static_cast<uint16_t>(last)));
    }
    default:
      return false;
  }
}

// The work of finding what a read asks for.
uint64_t WorkOfRead(const kv::CommandView& command) {
  if (command.op == kv::Op::kKeyCount) {
    const auto [first, last] = *kv::SlotsOf(command);
    return static_cast<uint64_t>(last - first) / TurnWork::kSlotsPerUnit;
  }
  return TurnWork::OfRead(command.arguments.count());
}

// The results of the first reads of a batch of another node. `*work` is in
// units of TurnWork. A command that is no read, or not of this store, is
// kMalformed.
Buffer EvaluateReads(const kv::Store& store, const Buffer& batch,
                     WallTime due_by, const BoundsConfig& bounds,
                     uint64_t* work) {
  kv::ResultBuilder results(kv::Version{});
  kv::CommandReader reader(batch.view());
  kv::CommandView command;
  *work = 0;
  while (reader.ok() && !reader.done() &&
         (results.count() == 0 ||
          (results.size_bytes() < bounds.entry_result_bytes &&
           *work < kWorkPerAnswer))) {
    const bool valid = reader.Next(&command);
    if (!valid || !CanEvaluate(store, command)) {
      const bool moved = valid && kv::IsRead(command.op) &&
                         RefusedCommands::MayHold(command.op) &&
                         !store.Owns(command.slot);
      results.AddNone({.status = moved ? kv::ResultStatus::kNotOwner
                                       : kv::ResultStatus::kMalformed});
      continue;
    }
    *work += WorkOfRead(command);
    if (!store.Read(command, due_by, [&](const kv::ResultView& result) {
          results.Add(result);
        })) {
      break;
    }
  }
  *work += results.size_bytes() / TurnWork::kBytesPerUnit;
  return results.Finish();
}

}  // namespace

void PeerReads::Serve(Buffer batch, PeerDone done) {
  leadership_.Refresh();
  if (leadership_.kind() != Leadership::Kind::kSelf) {
    return done(forwarding_.NotLeading());
  }
  auto answer = [this, batch = std::move(batch),
                 done = std::move(done)](absl::Status status) mutable {
    const kv::Store* here = leadership_.store();
    if (!status.ok() || here == nullptr) return done(forwarding_.NotLeading());
    uint64_t work;
    PeerResult answer;
    answer.result.outcome = Outcome::kDone;
    answer.result.result = EvaluateReads(*here, batch, leadership_.ReadTime(),
                                         parts_.config.bounds, &work);
    parts_.work.Add(work);
    done(std::move(answer));
  };
  parts_.host.Read(leadership_.group(), std::move(answer));
}

}  // namespace quorate::node
