// node/controller/user_cache.h: the users of the cluster on the disk of a node,
// so that it starts with those that it last knew
// (docs/reference/formats/users.md).
#ifndef QUORATE_NODE_CONTROLLER_USER_CACHE_H_
#define QUORATE_NODE_CONTROLLER_USER_CACHE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/ids.h"
#include "node/cluster/cache_file.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"

namespace quorate::node {

struct KnownUsers {
  std::vector<shardctrl::UserRecord> users;
  shardctrl::MapVersion version;
  friend bool operator==(const KnownUsers&, const KnownUsers&) = default;
};

// The file.
std::string EncodeUserCache(ClusterId cluster, const KnownUsers& known);
// Nullopt for bytes of another cluster, or of a damaged file.
std::optional<KnownUsers> DecodeUserCache(ClusterId cluster,
                                          std::string_view bytes);

class UserCache {
 public:
  // `env` outlives the object.
  UserCache(env::Env& env, ClusterId cluster)
      : cluster_(cluster), file_(env, "users", /*size_bytes_max=*/4 << 20) {}
  UserCache(const UserCache&) = delete;
  UserCache& operator=(const UserCache&) = delete;

  // Reads the file. Call once the directory is locked.
  void Start(absl::AnyInvocable<void(std::optional<KnownUsers>)> done);
  // Writes the users. The last call wins.
  void Write(KnownUsers known);

 private:
  void WriteNext();

  const ClusterId cluster_;
  CacheFile file_;
  bool writing_ = false;
  std::optional<KnownUsers> next_;  // To be written.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_USER_CACHE_H_
