"""ONNX graphs written node by node, of ONNX Runtime's contributed ops where its
own exports have them."""

import numpy as np


class Graph:
    def __init__(self):
        self.nodes, self.weights = [], {}

    def weight(self, name, value):
        """A constant: a tensor of torch or an array; one of a name."""
        from onnx import numpy_helper

        if hasattr(value, "detach"):
            value = value.detach().numpy()
        array = np.ascontiguousarray(value) if np.ndim(value) else np.array(value)
        self.weights[name] = numpy_helper.from_array(array, name)
        return name

    def op(self, kind, inputs, outputs, contributed=True, **attributes):
        """Returns the first output's name."""
        from onnx import helper

        node = helper.make_node(
            kind, inputs, outputs, name=outputs[0],
            domain="com.microsoft" if contributed else "", **attributes,
        )  # fmt: skip
        self.nodes.append(node)
        return outputs[0]

    def matmul(self, name, matrix, x):
        """x times `matrix`, which has a row for each input."""
        return self.op("MatMul", [x, self.weight(name + ".w", matrix)], [name], False)

    def save(self, path, inputs, outputs):
        """`inputs` and `outputs` are {name: (dtype, dims)}."""
        import onnx
        from onnx import helper

        def tensors(described):
            return [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), dims
                )
                for name, (dtype, dims) in described.items()
            ]

        graph = helper.make_graph(
            self.nodes, "graph", tensors(inputs), tensors(outputs),
            list(self.weights.values()),
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        onnx.save(made, str(path))


def session_of(path, threads):
    """onnxruntime's session for a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
