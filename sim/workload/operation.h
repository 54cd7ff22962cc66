// sim/workload/operation.h: what a simulated client asks for, and the RESP
// requests that say it.
#ifndef QUORATE_SIM_WORKLOAD_OPERATION_H_
#define QUORATE_SIM_WORKLOAD_OPERATION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/random.h"
#include "env/time.h"
#include "sim/checks/recorder.h"
#include "sim/protocol/expiry_command.h"
#include "sim/protocol/reply.h"
#include "sim/workload/workload_session.h"

namespace quorate::sim {

// One operation. Its attempts send the same command.
struct ClientOperation {
  // The RESP form of a swap.
  enum class SwapForm : uint8_t { kSetGet, kGetSet, kTransaction, kWatched };

  // Among those that its client issues on its own, from 1. 0: another one.
  uint64_t number = 0;
  // Everything random about the operation and its attempts.
  Random random{0};
  ClientCall call;
  // If set, `call` has client and key alone.
  std::optional<ExpiryCommand> expiry;
  SwapForm form = SwapForm::kSetGet;
  bool stale = false;     // A read of any replica.
  uint32_t bound_ms = 0;  // How stale its answer may be; 0: any state will do.
  // The bound of a stale read. Nullopt: any state will do.
  std::optional<Duration> bound() const {
    return bound_ms == 0 ? std::nullopt
                         : std::optional(Milliseconds(1) * int64_t{bound_ms});
  }
  // The node of the first attempt, if the router does not choose it.
  std::optional<uint32_t> first_node;
  bool opens_session = false;
  bool final = false;  // It is never given up.
  // If its outcome is unknown, another write replaces it.
  bool final_write = false;
  uint64_t sequence = 0;  // The sequence number of the session. 0: none.

  bool is_read() const;
  // The command of an operation that is a read.
  ExpiryCommand::Verb read_verb() const {
    return expiry.has_value() ? expiry->verb : ExpiryCommand::Verb::kGet;
  }
  // MULTI … EXEC. A transaction has no session.
  bool is_transaction() const {
    return form == SwapForm::kTransaction || form == SwapForm::kWatched;
  }
  // Whether a session may make it take effect exactly once.
  bool may_have_session() const { return !is_read() && !is_transaction(); }
  // The command with its arguments, without a session's stamp.
  std::vector<std::string> Words() const;
  // The name of the operation for people.
  std::string Describe() const;
};

// An operation as its client sent it: the command with its arguments, without a
// session's stamp.
struct SentOperation {
  uint32_t client = 0;
  uint64_t number = 0;
  std::vector<std::string> words;
  friend auto operator<=>(const SentOperation&, const SentOperation&) = default;
};
using SendHook = absl::AnyInvocable<void(SentOperation)>;

struct EncodedOperation {
  std::string bytes;
  size_t replies = 1;  // Number of replies that answer it.
};

// The request of one attempt. `session` is that of an operation with a sequence
// number, else null.
EncodedOperation EncodeRequest(const ClientOperation& operation,
                               const WorkloadSession* session);

// Records the reply, which is no error, to a command of the operation outside
// transactions. False: no correct server sends it, and nothing was recorded.
bool RecordReply(const ClientOperation& operation, const ClientReply& reply,
                 Recorder::Ticket ticket, Recorder* recorder);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_OPERATION_H_
