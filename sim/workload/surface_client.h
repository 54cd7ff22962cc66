// sim/workload/surface_client.h: a simulated client that uses all that the
// ports of a node offer.
//
// A visit pipelines some requests of a list that has every command, page and
// kind of mistake. Each request must have one reply that is well formed, and a
// mistake must have an error. The list is in surface_requests.h. Some visits
// send their bytes in two pieces. Only this client uses keys with
// kSurfaceKeyPrefix.
#ifndef QUORATE_SIM_WORKLOAD_SURFACE_CLIENT_H_
#define QUORATE_SIM_WORKLOAD_SURFACE_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/buffer.h"
#include "env/env.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

struct SurfaceClientOptions {
  // The addresses of all nodes; neither is empty.
  std::vector<std::string> resp;
  std::vector<std::string> http;
  // Requests may close the connections of other clients, which then do not
  // learn the outcome of what they sent.
  bool closes_others = true;
};

class SurfaceClient final : Dialogue {
 public:
  // More than half of bounds.value_bytes and of one log entry.
  static constexpr size_t kLargeValueBytes = 300'000;

  using Violate = absl::AnyInvocable<void(std::string what)>;

  SurfaceClient(env::Env& env, SurfaceClientOptions options, Violate violate);

  // Closes the connection and begins no other one.
  using Dialogue::Stop;
  uint64_t answered() const { return answered_; }

 private:
  struct Awaited {
    std::string request;  // Its beginning.
    bool error = false;   // The reply must be an error.
    int status = 0;       // Of HTTP. 0: any.
  };

  void OnBegin() override;
  void OnOpen() override { speaks_http_ ? AskHttp() : AskResp(); }
  // The reply to the oldest request.
  void OnReply(ClientReply reply) override;
  void OnAnswer(const HttpAnswer& answer) override;
  void OnOver(const absl::Status& why) override;

  void AskResp();
  void AskHttp();
  // A drawn element of the list of requests.
  std::string_view DrawScript(uint64_t which);
  // Appends the request with its key, number and value in place. Large values
  // stay marks.
  void Fill(std::string_view text, uint64_t which, std::string* out);
  // Large values one behind the other, until the next call.
  std::string_view LargeValues(size_t count);
  void Await(std::string_view request, bool error, int status);
  // Sends all bytes, or one part of them now and the rest later.
  void SendPieces(std::string bytes);
  void SendInTwo(Buffer bytes, size_t first);
  // The oldest request has its reply.
  void Took();
  // Closes the connection, and plans the next visit.
  void Leave();
  void Fail(std::string_view what);
  uint64_t Draw(Site site, uint64_t bound, uint64_t which = 0) {
    return env_.random.Below(bound, site, visits_, which);
  }

  env::Env& env_;
  const SurfaceClientOptions options_;
  Violate violate_;
  uint64_t visits_ = 0;
  uint64_t answered_ = 0;
  bool speaks_http_ = false;
  std::string node_identity_ = "none";  // The last that a node replied.
  std::string large_values_;            // As many as a word had.
  std::deque<Awaited> awaited_;
  env::Pending rest_;  // The bytes that are sent later.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_SURFACE_CLIENT_H_
