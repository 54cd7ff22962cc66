// node/admin/admin_api.h: requests of the admin address as commands of the
// controller, and its state as JSON (docs/reference/admin.md).
//
// Knows neither connections nor time.
#ifndef QUORATE_NODE_ADMIN_ADMIN_API_H_
#define QUORATE_NODE_ADMIN_ADMIN_API_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "node/admin/controller_access.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

struct AdminRequest {
  std::string_view method;
  // Without query.
  std::string_view path;
  std::string_view body;
  bool dry_run = false;
  // Names the operation: another request with it gets the first answer. Empty:
  // the request is another operation, or finishes one of unknown outcome.
  std::string_view idempotency_key;
  // The name of the operation without `idempotency_key`, unless the request
  // finishes another one. Empty: one is drawn.
  std::string_view proposed_key;
  // True while the client waits for the answer.
  std::function<bool()> waits = [] { return true; };
};

struct AdminReply {
  int status = 200;
  std::string body;  // JSON.
};

// The operation that an Idempotency-Key names. It is not empty.
shardctrl::OperationId OperationOf(std::string_view idempotency_key);

// A change may fail while its outcome is not known, or its client may be gone
// before the answer. An equal request without a key is then taken for the
// second try, and goes on with the operation of the first. This concerns
// changes that do something more each time.
class AdminApi {
 public:
  using Done = absl::AnyInvocable<void(AdminReply)>;
  // Operations that are remembered for a second try, the newest ones.
  static constexpr size_t kUnfinishedMax = 64;

  // `controller` outlives the object.
  explicit AdminApi(ControllerAccess& controller) : controller_(controller) {}

  // Calls `done` once, perhaps during the call.
  void Handle(const AdminRequest& request, Done done);

 private:
  struct Call;

  void Show(std::string_view path, Done done);
  void ListOutdated(std::string_view path, const absl::Status& why, Done done);
  AdminReply List(std::string_view path, const ClusterUsage& usage) const;
  AdminReply Page(std::string_view path) const;
  void Execute(Call call, Done done);
  // Gives the operation of a request without a key its name.
  void NameOperation(const AdminRequest& request, Call* call);
  void NoteUnfinished(const Call& call);
  // Asks all nodes for their replicas of the group. Calls one of the functions.
  void Survey(GroupId group,
              absl::AnyInvocable<void(const shardctrl::Survivors&)> done,
              Done failed);
  void Recover(GroupId group, bool accept_loss, bool dry_run, Done done);
  void RecoverController(const shardctrl::RecoveryPlan& plan, bool accept_loss,
                         Done done);

  ControllerAccess& controller_;
  // The requests and the keys of operations, the oldest first.
  std::deque<std::pair<std::string, std::string>> unfinished_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ADMIN_ADMIN_API_H_
