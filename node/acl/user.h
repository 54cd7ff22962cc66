// node/acl/user.h: one user: how clients prove that they are it, and what it
// may do.
//
//   AclUser user("anna");
//   const std::string error = user.Apply({"on", ">secret", "~a:*", "+@read"});
//   if (error.empty() && user.Check(row, request).allowed()) …
//
// The rules are those of ACL SETUSER in Redis 7, and three of this store:
//   certificate, nocertificate  whether a client's certificate that names the
//     user is as good as a password. Without a password it is the only proof.
//   role:operator, role:viewer, role:none  what the user may do at the admin
//     address: all, read, nothing.
// Pure; it knows neither connections nor other users.
#ifndef QUORATE_NODE_ACL_USER_H_
#define QUORATE_NODE_ACL_USER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "node/acl/selector.h"
#include "node/commands/command_table.h"

namespace quorate::node {

// The user of a connection that names none.
inline constexpr std::string_view kDefaultUser = "default";

// The rights of a user at the admin address. A later value may do all that an
// earlier one may.
enum class AdminRole : uint8_t { kNone = 0, kViewer = 1, kOperator = 2 };

class AclUser {
 public:
  static constexpr size_t kNameBytesMax = 64;

  // A user that is off and has no rights.
  explicit AclUser(std::string name) : name_(std::move(name)) {}
  // The user "default" of a cluster in which it was never changed: it needs no
  // password and has all rights.
  static AclUser Open();

  // Applies the rules in their order. Returns an error with the words of Redis,
  // without "ERR"; empty: done. After an error the user is as before.
  std::string Apply(Arguments rules);
  // As Apply, of rules in one text: those of Rules().
  std::string ApplyText(std::string_view rules);

  const std::string& name() const { return name_; }
  bool enabled() const { return enabled_; }
  bool takes_certificates() const { return enabled_ && certificate_; }
  AdminRole role() const { return enabled_ ? role_ : AdminRole::kNone; }
  // Whether clients are this user without a password.
  bool open() const { return enabled_ && no_password_; }
  bool AcceptsPassword(std::string_view password) const;

  // Whether the user may execute the request. Requires:
  // row.AcceptsCount(request.size()).
  AclDenial Check(const CommandRow& row, Arguments request) const {
    if (unrestricted_) return {};
    return CheckSelectors(row, request);
  }

  // All rules, as ACL LIST shows them behind the name. Apply to a new user
  // gives the same user.
  std::string Rules() const;
  std::vector<std::string_view> Flags() const;
  const std::vector<std::string>& password_digests() const {
    return passwords_;
  }
  const AclSelector& root() const { return root_; }
  const std::vector<AclSelector>& selectors() const { return selectors_; }

 private:
  enum class Sanitize : uint8_t { kUnset, kSkip, kSanitize };

  // One rule. Returns why it is not valid; empty: it is applied.
  std::string_view ApplyOne(std::string_view rule);
  // A rule of the user as a whole. False: `rule` is none.
  bool ApplyFlag(std::string_view rule);
  std::string_view ApplyPassword(std::string_view rule);
  std::string_view AddSelector(std::string_view inner);
  void Reset();
  AclDenial CheckSelectors(const CommandRow& row, Arguments request) const;
  AclDenial CheckRights(const CommandRow& row, Arguments request) const;

  std::string name_;
  bool enabled_ = false;
  bool no_password_ = false;
  bool certificate_ = false;
  AdminRole role_ = AdminRole::kNone;
  Sanitize sanitize_ = Sanitize::kUnset;  // Kept for Redis; without effect.
  std::vector<std::string> passwords_;    // Their digests (sha256.h).
  AclSelector root_;
  std::vector<AclSelector> selectors_;
  // root_.allows_all(), so that most checks are one branch.
  bool unrestricted_ = false;
};

// Why `name` names no user, with the words of Redis; empty: it may.
std::string_view UserNameError(std::string_view name);

// The text for a command that `denial` refuses: "this user has no permissions
// …", behind NOPERM. `names_key`: it names the key, for ACL DRYRUN.
std::string DenialText(const CommandRow& row, Arguments request,
                       const AclDenial& denial, bool names_key);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ACL_USER_H_
