"""A small scripted module and its panel, for the tests of the harness."""

MODULE = """
import enum
from typing import Annotated
import qt, slicer, vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin

class Speed(enum.Enum):
    FAST = 1
    DENSE = 2

class Sample(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title, parent.categories, parent.contributors = _("Sample"), [_("Testing")], ["Nobody"]

@parameterNodeWrapper
class SampleParameterNode:
    volume: vtkMRMLScalarVolumeNode
    ratio: Annotated[float, WithinRange(1.0, 100.0)] = 10.0
    count: int = 3
    verbose: bool = False
    speed: Speed = Speed.DENSE
    codec: Annotated[str, Choice(["htj2k", "hevc"])] = "hevc"
    note: str = ""

class SampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.parameters, self.pressed = None, []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/Sample.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, lambda *a: self.use(None))
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, lambda *a: self.enter())
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.enter()

    def cleanup(self):
        self.use(None)
        self.removeObservers()

    def enter(self):
        self.use(SampleParameterNode(self.logic.getParameterNode()))

    def exit(self):
        self.use(None)

    def use(self, parameters):
        if self.parameters:
            self.parameters.disconnectGui(self.tag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.check)
        self.parameters = parameters
        if parameters:
            self.tag = parameters.connectGui(self.ui)
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self.check)
            self.check()

    def check(self, caller=None, event=None):
        self.ui.applyButton.enabled = self.parameters.volume is not None

    def onApply(self):
        self.pressed.append(self.parameters.ratio)

class SampleLogic(ScriptedLoadableModuleLogic):
    pass

class SampleFileReader:
    def __init__(self, parent):
        self.parent = parent
    def description(self):
        return "Sample"
    def fileType(self):
        return "SampleFile"
    def extensions(self):
        return ["Sample (*.sample)"]
    def load(self, properties):
        with open(properties["fileName"]) as file:
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", file.read())
        self.parent.loadedNodes = [node.GetID()]
        return True

class SampleFileWriter:
    def __init__(self, parent):
        self.parent = parent
    def description(self):
        return "Sample"
    def fileType(self):
        return "SampleFile"
    def extensions(self, node):
        return ["Sample (*.sample)"]
    def canWriteObjectConfidence(self, node):
        return 0.7 if node.IsA("vtkMRMLTextNode") else 0.0
    def write(self, properties):
        with open(properties["fileName"], "w") as file:
            file.write(slicer.mrmlScene.GetNodeByID(properties["nodeID"]).GetName())
        self.parent.writtenNodes = [properties["nodeID"]]
        return True
"""

WIDGETS = """
    qMRMLNodeComboBox volumeSelector volume nodeTypes=stringlist:vtkMRMLScalarVolumeNode addEnabled=bool:false
    ctkSliderWidget ratioSlider ratio decimals=number:1
    QSpinBox countBox count
    QCheckBox verboseBox verbose
    QComboBox speedBox speed
    QComboBox codecBox codec
    QLineEdit noteEdit note
    QPushButton applyButton - text=string:Apply
"""


def panel(widgets: str) -> str:
    """A .ui file with one widget a line: class, name, parameter or -, properties name=type:value."""
    items, wires = "", ""
    for cls, name, parameter, *properties in (line.split() for line in widgets.strip().splitlines()):
        values = [(key, *value.split(":")) for key, value in (item.split("=") for item in properties)]
        texts = [f'<property name="{k}"><{t}>{v}</{t}></property>' for k, t, v in values]
        texts = [text.replace("<stringlist>", "<stringlist><string>") for text in texts]
        texts = [text.replace("</stringlist>", "</string></stringlist>") for text in texts]
        if parameter != "-":
            texts.append(f'<property name="SlicerParameterName" stdset="0"><string>{parameter}</string></property>')
        items += f'<item><widget class="{cls}" name="{name}">{"".join(texts)}</widget></item>'
        if cls == "qMRMLNodeComboBox":
            wires += f"<connection><sender>Sample</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>\
            <receiver>{name}</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>"
    return f'<ui version="4.0"><class>Sample</class><widget class="qMRMLWidget" name="Sample">\
        <layout class="QVBoxLayout" name="verticalLayout">{items}</layout></widget>\
        <connections>{wires}</connections></ui>'
