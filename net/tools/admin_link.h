// net/tools/admin_link.h: a conversation with the admin addresses of a cluster
// (docs/reference/admin.md), for the verbs of quoratectl.
//
// One node is asked at a time: at first the one at the first address that was
// given. If it does not answer, another is asked.
#ifndef QUORATE_NET_TOOLS_ADMIN_LINK_H_
#define QUORATE_NET_TOOLS_ADMIN_LINK_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/tools/change_operation.h"
#include "net/tools/control.h"
#include "net/tools/http_request.h"

namespace quorate::net {

class AdminLink {
 public:
  using Json = nlohmann::ordered_json;

  // `dry_run`: changes are questions for their effects. `options` outlives the
  // object.
  AdminLink(const ControlOptions& options, bool dry_run,
            ChangeOperation operation);

  // Both return nothing if the request succeeded, and set `*answer`. Otherwise
  // they return the answer of the program.
  std::optional<ControlAnswer> Get(const std::string& target, Json* answer);
  // Another node is asked only if no node can have the request. `body` may be
  // null. If the outcome is not known, the error has the operation. Each node
  // that is asked gets the operation, so it is executed once.
  std::optional<ControlAnswer> Change(std::string_view method,
                                      const std::string& target,
                                      const Json& body, Json* answer);
  // A change that no name makes safe to repeat, such as a recovery: the node
  // takes no operation with it.
  std::optional<ControlAnswer> ChangeWithoutName(const std::string& target,
                                                 const Json& body,
                                                 Json* answer);

  // Asks for the admin addresses of all nodes, so that later requests can go to
  // them, too. Nodes of other clusters are never asked from then on.
  void LearnNodes();

  // Of the last answer: its HTTP status, or 0 if none came, and the code of its
  // error.
  int status() const { return status_; }
  const std::string& code() const { return code_; }
  // The name of the change.
  const std::string& operation() const { return operation_.name(); }
  // The asked node, once it has answered that the cluster has removed it.
  std::optional<uint32_t> removed() const { return removed_; }

 private:
  struct Candidate {
    std::string address;
    bool is_admin = false;       // Else any address of a node.
    bool is_of_cluster = false;  // It has named the cluster.
  };

  std::optional<ControlAnswer> Ask(std::string_view method,
                                   const std::string& target, const Json& body,
                                   const std::string& headers, bool repeatable,
                                   Json* answer);
  // Sends the request to the candidates, from the current one on, until one has
  // answered.
  absl::StatusOr<AdminAnswer> Exchange(std::string_view method,
                                       const std::string& target,
                                       const std::string& body,
                                       const std::string& headers,
                                       bool repeatable);
  // Makes sure that the address is an admin address of this cluster.
  absl::Status Prepare(Candidate* candidate);

  const ControlOptions& options_;
  const bool dry_run_;
  const ChangeOperation operation_;
  std::vector<Candidate> candidates_;  // At least one.
  size_t current_ = 0;
  Json cluster_;  // Null: not known.
  int status_ = 0;
  std::string code_;
  std::optional<uint32_t> removed_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_ADMIN_LINK_H_
