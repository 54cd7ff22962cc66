"""The comparison of a swarm's report with the names in the sources."""

import os
import unittest

import swarm_reach

ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', '..')

REPORT = {
    'runs': 100,
    'unevaluated': [],
    'marks': {'raft.a': 3},
    'faults': {'message_lost': 9},
    'drawn': {'family.loss': 50, 'shape.nodes=3': 100, 'point.log.b': 1},
}
MARKS = {'raft.a', *swarm_reach.UNREACHED}


class Names(unittest.TestCase):

    def test_names_in_any_argument_of_a_call_are_found(self):
        text = '''
          tracer.Sometimes(empty ? "client.restarted"
                                 : "client.resumed_operations");
          cluster_.Mark(leader == NodeId() ? NodeId(1) : leader,
                        "client.read_across_leader_change");
          Note("raft.no_mark");
        '''
        self.assertEqual({'client.restarted', 'client.resumed_operations', 'client.read_across_leader_change'},
                         swarm_reach.names_in(text, swarm_reach.MARK))

    def test_the_site_of_a_choice_is_no_point(self):
        self.assertEqual({'log.b'}, swarm_reach.names_in('ChoiceSite kFire("buggify.fire"); if (b.Fire("log.b")) {}', swarm_reach.POINT))

    def test_the_sources_have_marks_points_and_sites(self):
        marks, points, sites = swarm_reach.names_in_sources(ROOT)
        self.assertLessEqual({'client.resumed_operations', 'client.read_across_leader_change', 'node.invalid_file_refused',
                              'node.foreign_node_started'} | swarm_reach.UNREACHED.keys(), marks)
        self.assertLessEqual({'log.small_batch', 'raft.not_quiet', 'net.transport.not_accepted'}, points)
        self.assertLessEqual({'shape.nodes', 'knob.bounds.turn_work', 'client.crashes'}, sites)


    def test_the_swarm_expects_the_names_of_the_sources(self):
        marks, points, _ = swarm_reach.names_in_sources(ROOT)
        with open(os.path.join(ROOT, 'sim/run/expected_names.h'), encoding='utf-8') as file:
            text = file.read()
        self.assertEqual(marks - swarm_reach.UNREACHED.keys(), swarm_reach.expected_names(text, 'kExpectedMarks'))
        self.assertEqual(points, swarm_reach.expected_names(text, 'kExpectedPoints'))


class Complaints(unittest.TestCase):

    def about(self, marks=(), points=(), sites=(), reached=(), **changes):
        changes['marks'] = {**REPORT['marks'], **{mark: 1 for mark in reached}}
        return swarm_reach.complaints({**REPORT, **changes}, MARKS | set(marks), {'log.b', *points}, {'shape.nodes', *sites})

    def test_a_report_of_all_names_has_none(self):
        self.assertEqual([], self.about())

    def test_each_missing_name_is_one(self):
        self.assertEqual(['never reached: mark raft.z', 'never reached: point log.z', 'never drawn: shape.z'],
                         self.about(marks=['raft.z'], points=['log.z'], sites=['shape.z']))
        self.assertEqual(['never reached: fault message_lost'], self.about(faults={'message_lost': 0}))

    def test_a_rule_that_no_run_evaluated_is_one(self):
        self.assertEqual(['never evaluated: rule scan'], self.about(unevaluated=['scan']))

    def test_a_value_that_no_run_drew_is_one(self):
        self.assertEqual(['drawn in less than 2.0 % of the runs: family.loss'], self.about(drawn={**REPORT['drawn'], 'family.loss': 0}))

    def test_a_report_without_families_is_one(self):
        self.assertEqual(['never drawn: the families of faults'], self.about(drawn={'shape.nodes=3': 100, 'point.log.b': 1}))

    def test_an_exception_that_is_reached_is_one(self):
        self.assertEqual(['reached, but listed as out of reach: mark raft.torn_drop_completed'],
                         self.about(reached=['raft.torn_drop_completed']))


if __name__ == '__main__':
    unittest.main()
