// node/resp/key_scan.h: commands that walk over keys: KEYS, SCAN, RANDOMKEY and
// CLUSTER GETKEYSINSLOT.
//
// A walk is a sequence of steps of bounded size. Each step is a read of the
// group that it visits, routed as any other read.
#ifndef QUORATE_NODE_RESP_KEY_SCAN_H_
#define QUORATE_NODE_RESP_KEY_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/buffer.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/result.h"
#include "node/commands/command_table.h"
#include "node/commands/glob.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/resp/group_questions.h"
#include "node/resp/reply_queue.h"
#include "node/routing/request_sink.h"

namespace quorate::node {

// Invariant: at most one walk is running. The connection begins one only when
// no reply is due, and handles no other request meanwhile; so every answer that
// it receives is the walk's.
class KeyScan {
 public:
  // All outlive the object.
  KeyScan(Context& context, ClientConnection& client, RespAddress address,
          GroupQuestions& questions, ReplyQueue& replies);

  // KEYS, SCAN and RANDOMKEY.
  Handled Scan(const CommandRow& row, Arguments request);
  // CLUSTER GETKEYSINSLOT.
  Handled KeysInSlot(const CommandRow& row, Arguments request);

  bool running() const { return walk_ != nullptr; }
  // Goes on if the walk waits for the next turn, or for room.
  void Resume();
  // The answer to the step that is under way.
  void OnResult(const kv::ResultView& result);
  void OnFailure(const RequestFailure& failure);

 private:
  // Slots of one group that the walk has not visited yet.
  struct SlotCursor {
    uint64_t cursor = 0;  // kv/slots/slot_scan.h.
    Slot last;
    bool may_lead = false;  // See GroupQuestions::Covered.
  };
  struct Walk {
    CommandId command;
    uint64_t token = 0;
    Glob glob{"*"};
    bool any_type = true;  // False: no key is of the type asked for.
    uint64_t wanted = 0;   // Keys to visit.
    uint64_t visited = 0;
    uint64_t bits = 0;        // The random choice of RANDOMKEY.
    uint64_t cursor_tag = 0;  // The tag of SCAN's cursor at the beginning.
    std::vector<SlotCursor> cursors;
    size_t next = 0;  // The index of the current slot cursor.
    // Keys of the last answer that are not matched yet, in reverse, the match
    // of the next one, and the cursor behind them.
    std::vector<std::string> unmatched;
    Glob::Attempt attempt;
    uint64_t behind = 0;
    // A group did not own the slots of a step; the step is tried again until
    // then. Max(): the last step was no such one.
    MonoTime deadline = MonoTime::Max();
    bool matching = false;  // MatchRest has not ended.
    // The keys of the answer, encoded for the reply: full pieces, which the
    // reply shares, and the last piece. RANDOMKEY has one of them alone.
    std::vector<Buffer> pieces;
    std::string text;
    size_t key_count = 0;
    size_t key_bytes = 0;
    size_t held_bytes = 0;  // As counted by the client.
    std::vector<std::string> random_keys;
  };

  // Reads the arguments of SCAN. Returns an error text if they are invalid.
  std::string_view ReadOptions(Arguments request, uint64_t* cursor,
                               Walk* walk) const;
  void ReadPattern(std::string_view pattern, Walk* walk) const;
  uint64_t CursorTag() const;
  // The slots to visit, from `cursor` on. With `wrap`, the slots before it
  // follow.
  std::vector<SlotCursor> CursorsFrom(uint64_t cursor, bool wrap) const;
  void Begin(std::unique_ptr<Walk> walk);
  // Begins the next step, now or when Resume is called. A group may refuse a
  // step at once, which calls Step again. A loop takes that step: thousands
  // inside each other would exhaust the stack.
  void Step();
  void TakeStep();
  // Matches keys of the last answer, now or when Resume is called, and goes on.
  void MatchRest();
  // Takes the key if it matches. False if the steps end before.
  bool MatchKey(std::string_view key, uint64_t* steps);
  void TakeKey(std::string_view key);
  // Divides the slots that are left by the present map, and goes on.
  void StepAgain();
  // Ends the walk with its keys, or with `error` if it is not empty.
  void End(std::string_view error);
  static void WriteKeys(Walk& walk, RespWriter& reply);

  Context& context_;
  ClientConnection& client_;
  const bool cluster_;
  GroupQuestions& questions_;
  ReplyQueue& replies_;
  std::unique_ptr<Walk> walk_;
  bool waits_ = false;     // For Resume.
  bool stepping_ = false;  // Step is on the call stack.
  bool step_due_ = false;  // It has to take a further step.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_KEY_SCAN_H_
