#include "node/controller/user_cache.h"

#include <utility>

#include "shardctrl/controller/codec.h"

namespace quorate::node {
namespace {

constexpr uint32_t kUsersMagic = 0x52535551;  // "QUSR".

}  // namespace

std::string EncodeUserCache(ClusterId cluster, const KnownUsers& known) {
  shardctrl::FieldWriter writer;
  writer(known.version, known.users);
  return FrameCache(kUsersMagic, cluster, writer.Take());
}

std::optional<KnownUsers> DecodeUserCache(ClusterId cluster,
                                          std::string_view bytes) {
  shardctrl::FieldReader reader(BodyOfCache(kUsersMagic, cluster, bytes));
  KnownUsers known;
  reader(known.version, known.users);
  if (!reader.Complete()) return std::nullopt;
  return known;
}

void UserCache::Start(
    absl::AnyInvocable<void(std::optional<KnownUsers>)> done) {
  file_.Read([this, done = std::move(done)](std::string_view bytes) mutable {
    done(DecodeUserCache(cluster_, bytes));
  });
}

void UserCache::Write(KnownUsers known) {
  next_ = std::move(known);
  WriteNext();
}

void UserCache::WriteNext() {
  if (writing_ || !next_.has_value()) return;
  writing_ = true;
  std::string bytes = EncodeUserCache(cluster_, *std::exchange(next_, {}));
  file_.Write(std::move(bytes), [this] {
    writing_ = false;
    WriteNext();
  });
}

}  // namespace quorate::node
