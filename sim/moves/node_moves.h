// sim/moves/node_moves.h: nodes that start again with other addresses.
//
// Clients that know the first addresses of a node find it under them, as by a
// name. Other nodes do not: they have to learn the new ones.
#ifndef QUORATE_SIM_MOVES_NODE_MOVES_H_
#define QUORATE_SIM_MOVES_NODE_MOVES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "env/ids.h"
#include "node/config/config.h"
#include "sim/world/world.h"

namespace quorate::sim {

class NodeMoves {
 public:
  // `world` outlives the object. The read-only nodes are the last ones; ids
  // count from 1.
  NodeMoves(World& world, uint32_t voting, uint32_t read_only);

  // The nodes with their present addresses.
  const std::vector<node::NodeConfig>& nodes() const { return now_; }
  // The present address for operators.
  std::string AdminOf(NodeId node) const;
  // Gives the node other addresses before its next start. False: it has had
  // all that there are.
  bool Move(NodeId node);
  // Writes the file of a node. It has the first addresses of the others, as
  // when the cluster was founded, and the present ones as seeds.
  void FillIn(NodeId node, node::Config* file) const;

 private:
  World& world_;
  const std::vector<node::NodeConfig> first_;
  std::vector<node::NodeConfig> now_;
  std::vector<uint16_t> moves_;  // How often each node moved.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MOVES_NODE_MOVES_H_
