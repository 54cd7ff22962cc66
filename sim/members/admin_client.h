// sim/members/admin_client.h: asks the admin addresses of nodes, as quoratectl
// does: one request over HTTP for each connection.
#ifndef QUORATE_SIM_MEMBERS_ADMIN_CLIENT_H_
#define QUORATE_SIM_MEMBERS_ADMIN_CLIENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/time.h"

namespace quorate::sim {

struct OperatorRequest {
  std::string method;
  std::string target;  // "/v1/nodes/3/drain".
  std::string body;    // JSON; empty: none.
  std::string key;     // The Idempotency-Key; empty: none.
};

struct OperatorAnswer {
  int status = 0;  // Zero: no whole answer came.
  nlohmann::json body;
};

class AdminClient {
 public:
  using Done = absl::AnyInvocable<void(const OperatorAnswer&)>;

  // `env` outlives the object.
  explicit AdminClient(env::Env& env);
  ~AdminClient();
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;

  // Calls `done` once, within that time.
  void Ask(const std::string& address, const OperatorRequest& request,
           Duration within, Done done);

 private:
  class Call;

  void End(uint64_t id);

  env::Env& env_;
  uint64_t calls_ = 0;
  std::map<uint64_t, std::unique_ptr<Call>> open_;
  std::map<uint64_t, env::Pending> ending_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_ADMIN_CLIENT_H_
