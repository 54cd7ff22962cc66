#include <string>

#include "net/tools/admin_link.h"
#include "net/tools/member_verbs.h"

namespace quorate::net {

ControlAnswer ShowDebug(const VerbOptions& options, const std::string& page) {
  AdminLink admin(options.control, /*dry_run=*/false, ChangeOperation());
  AdminLink::Json answer;
  if (auto failed = admin.Get("/debug/" + page, &answer)) return *failed;
  if (options.control.json) return {.out = JsonLine(answer)};
  return {.out = answer.dump(/*indent=*/2) + "\n"};
}

}  // namespace quorate::net
