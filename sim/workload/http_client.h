// sim/workload/http_client.h: a simulated client that reads, writes and removes
// keys over HTTP.
//
// It keeps one connection to one node, and sends the next request after the
// reply to the last one. After a broken connection or a refusal it goes to
// another node.
#ifndef QUORATE_SIM_WORKLOAD_HTTP_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_HTTP_CLIENT_H_

#include <cstdint>
#include <string>

#include "sim/protocol/dialogue.h"
#include "sim/workload/simple_client.h"

namespace quorate::sim {

class HttpClient final : public SimpleClient, Dialogue {
 public:
  // Requires: options.open_max == 1. With options.retries_writes, requests have
  // an Idempotency-Key.
  HttpClient(env::Env& env, const SimpleClientOptions& options,
             Choices* choices, Recorder* recorder);

 private:
  // The state of the current operation's last attempt.
  enum class Attempt : uint8_t {
    kNone,        // There is no operation, or it waits for its next attempt.
    kConnecting,  // Nothing was sent.
    kWritten,     // There is no reply yet.
  };

  void Adapt(ClientOperation* operation) const override;
  void Begin(OperationId id) override;

  // Dialogue.
  void OnOpen() override { Write(); }
  void OnAnswer(const HttpAnswer& answer) override;
  void OnOver(const absl::Status& why) override;

  HttpCall CallOf(const Operation& operation) const;
  // The request may be sent again although it may have been executed.
  bool MayRepeat() const;
  // The connection of the last attempt.
  uint64_t connection_number() const {
    return uint64_t{options().id} << 32 | connections_;
  }
  void Try();
  void Write();
  // The connection is of no use any more.
  void Break();
  // The reply to the request.
  void Take(const HttpAnswer& answer);
  // The request was executed, with this reply.
  void Succeed(const HttpAnswer& answer);
  // The node did not execute the request.
  void Refused(AvailabilityChecker::Refusal refusal);
  void GiveUp();
  void TryLater();

  OperationId current_ = 0;  // 0: none.
  uint64_t attempts_ = 0;    // The current operation has so many.
  Attempt attempt_ = Attempt::kNone;
  bool maybe_done_ = false;  // An attempt may have taken effect.
  MonoTime deadline_;
  uint64_t node_;
  uint64_t connections_ = 0;  // The client has tried to make so many.
  env::Pending next_attempt_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_HTTP_CLIENT_H_
